CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.answers (
    key text NOT NULL,
    digest text NOT NULL,
    answer text NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.artifacts (
    run_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    sha256 text NOT NULL,
    size bigint NOT NULL,
    created_at double precision NOT NULL,
    attempt integer NOT NULL
);
CREATE TABLE public.counters (
    name text NOT NULL,
    value bigint NOT NULL
);
CREATE TABLE public.environments (
    name text NOT NULL,
    version integer NOT NULL,
    digest text NOT NULL,
    definition text NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.events (
    run_id text NOT NULL,
    version integer NOT NULL,
    attempt integer NOT NULL,
    type text NOT NULL,
    at double precision NOT NULL,
    data text NOT NULL
);
CREATE TABLE public.experiments (
    id text NOT NULL,
    name text NOT NULL,
    created_at double precision NOT NULL,
    tags text NOT NULL,
    archived_at double precision
);
CREATE TABLE public.latest (
    run_id text NOT NULL,
    name text NOT NULL,
    attempt integer NOT NULL,
    value double precision,
    t double precision NOT NULL,
    step bigint NOT NULL
);
CREATE TABLE public.leases (
    name text NOT NULL,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires double precision NOT NULL
);
CREATE TABLE public.meta (
    key text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.params (
    run_id text NOT NULL,
    key text NOT NULL,
    attempt integer NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.points (
    id bigint NOT NULL,
    run_id text NOT NULL,
    attempt integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    t double precision,
    step bigint,
    description text NOT NULL
);
CREATE SEQUENCE public.points_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.points_id_seq OWNED BY public.points.id;
CREATE TABLE public.properties (
    run_id text NOT NULL,
    key text NOT NULL,
    value text
);
CREATE TABLE public.records (
    place bigint NOT NULL,
    kind text NOT NULL,
    run_id text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    context text NOT NULL,
    body text NOT NULL
);
CREATE SEQUENCE public.records_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.records_place_seq OWNED BY public.records.place;
CREATE TABLE public.runs (
    seq bigint NOT NULL,
    id text NOT NULL,
    number integer NOT NULL,
    experiment text NOT NULL,
    parent_id text,
    path text NOT NULL COLLATE pg_catalog."C",
    key text,
    type text,
    target text NOT NULL,
    rank integer NOT NULL,
    status text NOT NULL,
    bucket text NOT NULL,
    version integer NOT NULL,
    attempt integer NOT NULL,
    created_at double precision NOT NULL,
    started_at double precision,
    ended_at double precision,
    begun_at double precision DEFAULT '1000000000000000000'::numeric NOT NULL,
    display_name text,
    description text,
    child_policy text NOT NULL,
    spec text NOT NULL,
    state text NOT NULL
);
CREATE TABLE public.streams (
    run_id text NOT NULL,
    attempt integer NOT NULL,
    stream text NOT NULL,
    size bigint NOT NULL
);
CREATE TABLE public.sweeps (
    run_id text NOT NULL,
    spec text NOT NULL,
    paused boolean NOT NULL,
    retries integer NOT NULL,
    over boolean NOT NULL
);
CREATE TABLE public.tags (
    run_id text NOT NULL,
    key text NOT NULL,
    value text
);
CREATE TABLE public.targets (
    name text NOT NULL,
    config text NOT NULL
);
ALTER TABLE ONLY public.points ALTER COLUMN id SET DEFAULT nextval('public.points_id_seq'::regclass);
ALTER TABLE ONLY public.records ALTER COLUMN place SET DEFAULT nextval('public.records_place_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0007');
INSERT INTO public.answers VALUES ('6db52e9b241e2428fe7bd0dbbc93c64e', '5516dab3a562197f5184d21114e6feecc0efd7ec46d4ee7316aa43e81a78e2d2', '{"status": 200, "body": "{\"name\":\"local\",\"description\":\"\",\"labels\":{},\"lend_slots\":true,\"default_gpus\":null,\"gpus\":[],\"kind\":\"local\",\"cpus\":1.0,\"memory_mb\":null,\"python\":null,\"preload\":[],\"answers\":true,\"capacity\":\"1 CPU and 0 GPU\",\"strays\":{}}"}', 1795929146.4543936);
INSERT INTO public.counters VALUES ('runs', 5);
INSERT INTO public.counters VALUES ('experiment:upgraded', 5);
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d', 1, 1, 'Submitted', 1795929146.5182502, '{}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d', 2, 1, 'Placed', 1795929146.5421164, '{"placement": [{"node": "local", "gpus": []}]}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 1, 1, 'Submitted', 1795929146.7119153, '{}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_1', 1, 1, 'Submitted', 1795929146.7119153, '{}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_2', 1, 1, 'Submitted', 1795929146.7119153, '{}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_3', 1, 1, 'Submitted', 1795929146.7119153, '{}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d', 3, 1, 'Started', 1795929146.7560518, '{"started_at": 1795929146.633575}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d', 4, 1, 'SlotLent', 1795929146.7762356, '{"waits_for": ["upgraded_1700000000_0a1b2c3d_child_0", "upgraded_1700000000_0a1b2c3d_child_1", "upgraded_1700000000_0a1b2c3d_child_2", "upgraded_1700000000_0a1b2c3d_child_3"], "slot": "lent"}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 2, 1, 'Placed', 1795929146.777593, '{"placement": [{"node": "local", "gpus": []}]}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 3, 1, 'Started', 1795929146.873042, '{"started_at": 1795929146.795402}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 4, 1, 'Exited', 1795929146.873042, '{"evidence": {"exit_code": 0, "signal": null, "reason": "exited", "oom": false, "started_at": 1795929146.795402, "ended_at": 1795929146.8314428, "tail": "step 0\nstep 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\nstep 7\nstep 8\nstep 9\n", "receipt": [], "failed_rank": null, "error": null}, "slot": "held"}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 5, 1, 'Completed', 1795929146.873042, '{"ended_at": 1795929146.8314428}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_1', 2, 1, 'Placed', 1795929146.873042, '{"placement": [{"node": "local", "gpus": []}]}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 6, 1, 'Released', 1795929146.8956773, '{"released": true}');
INSERT INTO public.events VALUES ('upgraded_1700000000_0a1b2c3d_child_1', 3, 1, 'Started', 1795929147.0057075, '{"started_at": 1795929146.8926928}');
INSERT INTO public.experiments VALUES ('44ec7f83-0157-40fd-aee5-75a6ceded533', 'upgraded', 1795929146.5182502, '{}', NULL);
INSERT INTO public.latest VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 'step', 1, 9, 1795929146.8303108, 0);
INSERT INTO public.latest VALUES ('upgraded_1700000000_0a1b2c3d', 'ended', 1, 0, 1795929146.8979604, 0);
INSERT INTO public.latest VALUES ('upgraded_1700000000_0a1b2c3d_child_1', 'step', 1, 4, 1795929146.9104161, 0);
INSERT INTO public.leases VALUES ('engine', '@HOST@:@DATA@ (9be017b4)#1796-c88b46cc', 1, @LEASE@);
INSERT INTO public.meta VALUES ('service_id', '0c881eaa9f45493389cddc64a1601010');
INSERT INTO public.meta VALUES ('secret', '55ee092bd6ddac91a522c34e7ff436d7de5b8a155167f9ae17723a02009e46e5');
INSERT INTO public.meta VALUES ('defaults', 'due');
INSERT INTO public.meta VALUES ('home', '@HOST@:@DATA@ (9be017b4)');
INSERT INTO public.points VALUES (1, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '0', 1795929146.8274279, NULL, '');
INSERT INTO public.points VALUES (2, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '1', 1795929146.8297393, NULL, '');
INSERT INTO public.points VALUES (3, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '2', 1795929146.8298402, NULL, '');
INSERT INTO public.points VALUES (4, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '3', 1795929146.8299205, NULL, '');
INSERT INTO public.points VALUES (5, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '4', 1795929146.8299901, NULL, '');
INSERT INTO public.points VALUES (6, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '5', 1795929146.8300657, NULL, '');
INSERT INTO public.points VALUES (7, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '6', 1795929146.8301437, NULL, '');
INSERT INTO public.points VALUES (8, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '7', 1795929146.830221, NULL, '');
INSERT INTO public.points VALUES (9, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '8', 1795929146.8302724, NULL, '');
INSERT INTO public.points VALUES (10, 'upgraded_1700000000_0a1b2c3d_child_0', 1, 'step', 'scalar', '9', 1795929146.8303108, NULL, '');
INSERT INTO public.points VALUES (11, 'upgraded_1700000000_0a1b2c3d', 1, 'ended', 'scalar', '0', 1795929146.8979604, NULL, '');
INSERT INTO public.points VALUES (12, 'upgraded_1700000000_0a1b2c3d_child_1', 1, 'step', 'scalar', '0', 1795929146.907273, NULL, '');
INSERT INTO public.points VALUES (13, 'upgraded_1700000000_0a1b2c3d_child_1', 1, 'step', 'scalar', '1', 1795929146.9102104, NULL, '');
INSERT INTO public.points VALUES (14, 'upgraded_1700000000_0a1b2c3d_child_1', 1, 'step', 'scalar', '2', 1795929146.9103196, NULL, '');
INSERT INTO public.points VALUES (15, 'upgraded_1700000000_0a1b2c3d_child_1', 1, 'step', 'scalar', '3', 1795929146.9103744, NULL, '');
INSERT INTO public.points VALUES (16, 'upgraded_1700000000_0a1b2c3d_child_1', 1, 'step', 'scalar', '4', 1795929146.9104161, NULL, '');
INSERT INTO public.runs VALUES (4, 'upgraded_1700000000_0a1b2c3d_child_2', 4, 'upgraded', 'upgraded_1700000000_0a1b2c3d', '/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_2/', 'child-2', NULL, 'local', 0, 'Queued', 'queued', 1, 1, 1795929146.7119153, NULL, NULL, 1e+18, NULL, NULL, 'ignore', '{"id":"upgraded_1700000000_0a1b2c3d_child_2","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-2","script":"child.py","arguments":["2"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}', '{"released": false}');
INSERT INTO public.runs VALUES (5, 'upgraded_1700000000_0a1b2c3d_child_3', 5, 'upgraded', 'upgraded_1700000000_0a1b2c3d', '/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_3/', 'child-3', NULL, 'local', 0, 'Queued', 'queued', 1, 1, 1795929146.7119153, NULL, NULL, 1e+18, NULL, NULL, 'ignore', '{"id":"upgraded_1700000000_0a1b2c3d_child_3","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-3","script":"child.py","arguments":["3"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}', '{"released": false}');
INSERT INTO public.runs VALUES (1, 'upgraded_1700000000_0a1b2c3d', 1, 'upgraded', NULL, '/upgraded_1700000000_0a1b2c3d/', NULL, NULL, 'local', 0, 'Running', 'owed', 4, 1, 1795929146.5182502, 1795929146.633575, NULL, 1795929146.633575, NULL, NULL, 'ignore', '{"id":"upgraded_1700000000_0a1b2c3d","experiment":"upgraded","tags":{"kept":"yes"},"script":"main.py","arguments":["d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}', '{"released": false, "placement": [{"node": "local", "gpus": []}], "slot": "lent", "waits_for": ["upgraded_1700000000_0a1b2c3d_child_0", "upgraded_1700000000_0a1b2c3d_child_1", "upgraded_1700000000_0a1b2c3d_child_2", "upgraded_1700000000_0a1b2c3d_child_3"]}');
INSERT INTO public.runs VALUES (2, 'upgraded_1700000000_0a1b2c3d_child_0', 2, 'upgraded', 'upgraded_1700000000_0a1b2c3d', '/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_0/', 'child-0', NULL, 'local', 0, 'Completed', 'done', 6, 1, 1795929146.7119153, 1795929146.795402, 1795929146.8314428, 1795929146.795402, NULL, NULL, 'ignore', '{"id":"upgraded_1700000000_0a1b2c3d_child_0","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-0","script":"child.py","arguments":["0"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}', '{"released": true, "placement": [{"node": "local", "gpus": []}], "evidence": {"exit_code": 0, "signal": null, "reason": "exited", "oom": false, "started_at": 1795929146.795402, "ended_at": 1795929146.8314428, "tail": "step 0\nstep 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\nstep 7\nstep 8\nstep 9\n", "receipt": [], "failed_rank": null, "error": null}}');
INSERT INTO public.runs VALUES (3, 'upgraded_1700000000_0a1b2c3d_child_1', 3, 'upgraded', 'upgraded_1700000000_0a1b2c3d', '/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_1/', 'child-1', NULL, 'local', 0, 'Running', 'owed', 3, 1, 1795929146.7119153, 1795929146.8926928, NULL, 1795929146.8926928, NULL, NULL, 'ignore', '{"id":"upgraded_1700000000_0a1b2c3d_child_1","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-1","script":"child.py","arguments":["1"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}', '{"released": false, "placement": [{"node": "local", "gpus": []}]}');
INSERT INTO public.streams VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 1, 'metrics', 839);
INSERT INTO public.streams VALUES ('upgraded_1700000000_0a1b2c3d_child_0', 1, 'log:user_logs/std_log.txt', 70);
INSERT INTO public.streams VALUES ('upgraded_1700000000_0a1b2c3d', 1, 'metrics', 85);
INSERT INTO public.streams VALUES ('upgraded_1700000000_0a1b2c3d_child_1', 1, 'log:user_logs/std_log.txt', 35);
INSERT INTO public.streams VALUES ('upgraded_1700000000_0a1b2c3d', 1, 'log:user_logs/std_log.txt', 47);
INSERT INTO public.streams VALUES ('upgraded_1700000000_0a1b2c3d_child_1', 1, 'metrics', 419);
INSERT INTO public.tags VALUES ('upgraded_1700000000_0a1b2c3d', 'kept', 'yes');
INSERT INTO public.targets VALUES ('local', '{"name": "local", "description": "", "labels": {}, "lend_slots": true, "default_gpus": null, "gpus": [], "kind": "local", "cpus": 1.0, "memory_mb": null, "python": null, "preload": []}');
SELECT pg_catalog.setval('public.points_id_seq', 16, true);
SELECT pg_catalog.setval('public.records_place_seq', 1, false);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.artifacts
    ADD CONSTRAINT artifacts_pkey PRIMARY KEY (run_id, name);
ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.environments
    ADD CONSTRAINT environments_pkey PRIMARY KEY (name, version);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (run_id, version);
ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT experiments_name_key UNIQUE (name);
ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT experiments_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.latest
    ADD CONSTRAINT latest_pkey PRIMARY KEY (run_id, name);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.params
    ADD CONSTRAINT params_pkey PRIMARY KEY (run_id, key);
ALTER TABLE ONLY public.points
    ADD CONSTRAINT points_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.properties
    ADD CONSTRAINT properties_pkey PRIMARY KEY (run_id, key);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (place);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_id_key UNIQUE (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (run_id, attempt, stream);
ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (run_id, key);
ALTER TABLE ONLY public.targets
    ADD CONSTRAINT targets_pkey PRIMARY KEY (name);
CREATE INDEX params_key ON public.params USING btree (key, run_id);
CREATE INDEX points_run ON public.points USING btree (run_id, name, id);
CREATE INDEX properties_value ON public.properties USING btree (key, substr(value, 1, 200), run_id);
CREATE INDEX records_id ON public.records USING btree (kind, id);
CREATE UNIQUE INDEX records_run ON public.records USING btree (kind, run_id, id);
CREATE INDEX runs_bucket ON public.runs USING btree (bucket, target, rank, seq);
CREATE INDEX runs_experiment_newest ON public.runs USING btree (experiment, begun_at, seq);
CREATE UNIQUE INDEX runs_key ON public.runs USING btree (parent_id, key);
CREATE INDEX runs_newest ON public.runs USING btree (begun_at, seq);
CREATE INDEX runs_parent ON public.runs USING btree (parent_id, status);
CREATE INDEX runs_path ON public.runs USING btree (path);
CREATE INDEX sweeps_over ON public.sweeps USING btree (over);
CREATE INDEX tags_value ON public.tags USING btree (key, substr(value, 1, 200), run_id);
