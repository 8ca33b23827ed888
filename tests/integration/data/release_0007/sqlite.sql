BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE answers (
	"key" TEXT NOT NULL,
	digest TEXT NOT NULL,
	answer TEXT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY ("key")
);
INSERT INTO "answers" VALUES('2b8ce6e6468d5718689f35a83faa6807','e92d6c4358e5c048aab02687881da04ff33c53b5f878b649a304074f500a69b9','{"status": 200, "body": "{\"name\":\"local\",\"description\":\"\",\"labels\":{},\"lend_slots\":true,\"default_gpus\":null,\"gpus\":[],\"kind\":\"local\",\"cpus\":1.0,\"memory_mb\":null,\"python\":null,\"preload\":[],\"answers\":true,\"capacity\":\"1 CPU and 0 GPU\",\"strays\":{}}"}',1.79592912933528733258e+09);
CREATE TABLE artifacts (
	run_id TEXT NOT NULL,
	name TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	created_at FLOAT NOT NULL,
	attempt INTEGER NOT NULL,
	PRIMARY KEY (run_id, name)
);
CREATE TABLE counters (
	name TEXT NOT NULL,
	value BIGINT NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('runs',5);
INSERT INTO "counters" VALUES('experiment:upgraded',5);
CREATE TABLE environments (
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	digest TEXT NOT NULL,
	definition TEXT NOT NULL,
	created_at FLOAT NOT NULL,
	PRIMARY KEY (name, version)
);
CREATE TABLE events (
	run_id TEXT NOT NULL,
	version INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	type TEXT NOT NULL,
	at FLOAT NOT NULL,
	data TEXT NOT NULL,
	PRIMARY KEY (run_id, version)
);
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d',1,1,'Submitted',1.79592912937621879574e+09,'{}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d',2,1,'Placed',1.79592912938363075256e+09,'{"placement": [{"node": "local", "gpus": []}]}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_0',1,1,'Submitted',1.79592912955536150934e+09,'{}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_1',1,1,'Submitted',1.79592912955536150934e+09,'{}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_2',1,1,'Submitted',1.79592912955536150934e+09,'{}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_3',1,1,'Submitted',1.79592912955536150934e+09,'{}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d',3,1,'Started',1.7959291296135869026e+09,'{"started_at": 1795929129.503118}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d',4,1,'SlotLent',1.79592912962172770495e+09,'{"waits_for": ["upgraded_1700000000_0a1b2c3d_child_0", "upgraded_1700000000_0a1b2c3d_child_1", "upgraded_1700000000_0a1b2c3d_child_2", "upgraded_1700000000_0a1b2c3d_child_3"], "slot": "lent"}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_0',2,1,'Placed',1.79592912962287855143e+09,'{"placement": [{"node": "local", "gpus": []}]}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_0',3,1,'Started',1.79592912970090579985e+09,'{"started_at": 1795929129.639931}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_0',4,1,'Exited',1.79592912970090579985e+09,'{"evidence": {"exit_code": 0, "signal": null, "reason": "exited", "oom": false, "started_at": 1795929129.639931, "ended_at": 1795929129.6751847, "tail": "step 0\nstep 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\nstep 7\nstep 8\nstep 9\n", "receipt": [], "failed_rank": null, "error": null}, "slot": "held"}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_0',5,1,'Completed',1.79592912970090579985e+09,'{"ended_at": 1795929129.6751847}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_1',2,1,'Placed',1.79592912970090579985e+09,'{"placement": [{"node": "local", "gpus": []}]}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_0',6,1,'Released',1.79592912971368074415e+09,'{"released": true}');
INSERT INTO "events" VALUES('upgraded_1700000000_0a1b2c3d_child_1',3,1,'Started',1.79592912982978844646e+09,'{"started_at": 1795929129.715506}');
CREATE TABLE experiments (
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	created_at FLOAT NOT NULL,
	tags TEXT NOT NULL,
	archived_at FLOAT,
	PRIMARY KEY (id),
	UNIQUE (name)
);
INSERT INTO "experiments" VALUES('e8fdc1bc-9caf-47a7-8a54-a10060b33a89','upgraded',1.79592912937621879574e+09,'{}',NULL);
CREATE TABLE latest (
	run_id TEXT NOT NULL,
	name TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	value FLOAT,
	t FLOAT NOT NULL,
	step BIGINT NOT NULL,
	PRIMARY KEY (run_id, name)
);
INSERT INTO "latest" VALUES('upgraded_1700000000_0a1b2c3d_child_0','step',1,9.0,1.79592912967375850676e+09,0);
INSERT INTO "latest" VALUES('upgraded_1700000000_0a1b2c3d','ended',1,0.0,1.79592912971535682677e+09,0);
INSERT INTO "latest" VALUES('upgraded_1700000000_0a1b2c3d_child_1','step',1,4.0,1.79592912972690629952e+09,0);
CREATE TABLE leases (
	name TEXT NOT NULL,
	holder TEXT NOT NULL,
	token BIGINT NOT NULL,
	expires FLOAT NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "leases" VALUES('engine','embedded#1635-92effe6a',1,@LEASE@);
CREATE TABLE meta (
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('service_id','864f329c17864f67a5e8652d6f1da28b');
INSERT INTO "meta" VALUES('secret','3875587590289aa9c5f338dd9b9ad93b499fbd4b4bb4234f71c9fd50ed4006e0');
INSERT INTO "meta" VALUES('defaults','due');
CREATE TABLE params (
	run_id TEXT NOT NULL,
	"key" TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (run_id, "key")
);
CREATE TABLE points (
	id INTEGER NOT NULL,
	run_id TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	name TEXT NOT NULL,
	kind TEXT NOT NULL,
	value TEXT NOT NULL,
	t FLOAT,
	step BIGINT,
	description TEXT NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "points" VALUES(1,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','0',1795929129.6713,NULL,'');
INSERT INTO "points" VALUES(2,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','1',1.79592912967308259005e+09,NULL,'');
INSERT INTO "points" VALUES(3,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','2',1.79592912967321753506e+09,NULL,'');
INSERT INTO "points" VALUES(4,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','3',1.79592912967330312727e+09,NULL,'');
INSERT INTO "points" VALUES(5,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','4',1.79592912967338728903e+09,NULL,'');
INSERT INTO "points" VALUES(6,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','5',1.7959291296734528542e+09,NULL,'');
INSERT INTO "points" VALUES(7,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','6',1.79592912967352223395e+09,NULL,'');
INSERT INTO "points" VALUES(8,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','7',1.79592912967361092568e+09,NULL,'');
INSERT INTO "points" VALUES(9,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','8',1.79592912967369318011e+09,NULL,'');
INSERT INTO "points" VALUES(10,'upgraded_1700000000_0a1b2c3d_child_0',1,'step','scalar','9',1.79592912967375850676e+09,NULL,'');
INSERT INTO "points" VALUES(11,'upgraded_1700000000_0a1b2c3d',1,'ended','scalar','0',1.79592912971535682677e+09,NULL,'');
INSERT INTO "points" VALUES(12,'upgraded_1700000000_0a1b2c3d_child_1',1,'step','scalar','0',1.79592912972537350653e+09,NULL,'');
INSERT INTO "points" VALUES(13,'upgraded_1700000000_0a1b2c3d_child_1',1,'step','scalar','1',1.79592912972666144373e+09,NULL,'');
INSERT INTO "points" VALUES(14,'upgraded_1700000000_0a1b2c3d_child_1',1,'step','scalar','2',1.79592912972674918171e+09,NULL,'');
INSERT INTO "points" VALUES(15,'upgraded_1700000000_0a1b2c3d_child_1',1,'step','scalar','3',1.7959291297268631458e+09,NULL,'');
INSERT INTO "points" VALUES(16,'upgraded_1700000000_0a1b2c3d_child_1',1,'step','scalar','4',1.79592912972690629952e+09,NULL,'');
CREATE TABLE properties (
	run_id TEXT NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT,
	PRIMARY KEY (run_id, "key")
);
CREATE TABLE records (
	place INTEGER NOT NULL,
	kind TEXT NOT NULL,
	run_id TEXT NOT NULL,
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	digest TEXT NOT NULL,
	context TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (place)
);
CREATE TABLE runs (
	seq BIGINT NOT NULL,
	id TEXT NOT NULL,
	number INTEGER NOT NULL,
	experiment TEXT NOT NULL,
	parent_id TEXT,
	path TEXT NOT NULL,
	"key" TEXT,
	type TEXT,
	target TEXT NOT NULL,
	rank INTEGER NOT NULL,
	status TEXT NOT NULL,
	bucket TEXT NOT NULL,
	version INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	started_at FLOAT,
	ended_at FLOAT,
	begun_at FLOAT DEFAULT 1e18 NOT NULL,
	display_name TEXT,
	description TEXT,
	child_policy TEXT NOT NULL,
	spec TEXT NOT NULL,
	state TEXT NOT NULL,
	PRIMARY KEY (seq),
	UNIQUE (id)
);
INSERT INTO "runs" VALUES(1,'upgraded_1700000000_0a1b2c3d',1,'upgraded',NULL,'/upgraded_1700000000_0a1b2c3d/',NULL,NULL,'local',0,'Running','owed',4,1,1.79592912937621879574e+09,1.79592912950311803816e+09,NULL,1.79592912950311803816e+09,NULL,NULL,'ignore','{"id":"upgraded_1700000000_0a1b2c3d","experiment":"upgraded","tags":{"kept":"yes"},"script":"main.py","arguments":["d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}','{"released": false, "placement": [{"node": "local", "gpus": []}], "slot": "lent", "waits_for": ["upgraded_1700000000_0a1b2c3d_child_0", "upgraded_1700000000_0a1b2c3d_child_1", "upgraded_1700000000_0a1b2c3d_child_2", "upgraded_1700000000_0a1b2c3d_child_3"]}');
INSERT INTO "runs" VALUES(2,'upgraded_1700000000_0a1b2c3d_child_0',2,'upgraded','upgraded_1700000000_0a1b2c3d','/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_0/','child-0',NULL,'local',0,'Completed','done',6,1,1.79592912955536150934e+09,1.79592912963993096356e+09,1.79592912967518472666e+09,1.79592912963993096356e+09,NULL,NULL,'ignore','{"id":"upgraded_1700000000_0a1b2c3d_child_0","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-0","script":"child.py","arguments":["0"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}','{"released": true, "placement": [{"node": "local", "gpus": []}], "evidence": {"exit_code": 0, "signal": null, "reason": "exited", "oom": false, "started_at": 1795929129.639931, "ended_at": 1795929129.6751847, "tail": "step 0\nstep 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\nstep 7\nstep 8\nstep 9\n", "receipt": [], "failed_rank": null, "error": null}}');
INSERT INTO "runs" VALUES(3,'upgraded_1700000000_0a1b2c3d_child_1',3,'upgraded','upgraded_1700000000_0a1b2c3d','/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_1/','child-1',NULL,'local',0,'Running','owed',3,1,1.79592912955536150934e+09,1.79592912971550607674e+09,NULL,1.79592912971550607674e+09,NULL,NULL,'ignore','{"id":"upgraded_1700000000_0a1b2c3d_child_1","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-1","script":"child.py","arguments":["1"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}','{"released": false, "placement": [{"node": "local", "gpus": []}]}');
INSERT INTO "runs" VALUES(4,'upgraded_1700000000_0a1b2c3d_child_2',4,'upgraded','upgraded_1700000000_0a1b2c3d','/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_2/','child-2',NULL,'local',0,'Queued','queued',1,1,1.79592912955536150934e+09,NULL,NULL,1.0e+18,NULL,NULL,'ignore','{"id":"upgraded_1700000000_0a1b2c3d_child_2","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-2","script":"child.py","arguments":["2"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}','{"released": false}');
INSERT INTO "runs" VALUES(5,'upgraded_1700000000_0a1b2c3d_child_3',5,'upgraded','upgraded_1700000000_0a1b2c3d','/upgraded_1700000000_0a1b2c3d/upgraded_1700000000_0a1b2c3d_child_3/','child-3',NULL,'local',0,'Queued','queued',1,1,1.79592912955536150934e+09,NULL,NULL,1.0e+18,NULL,NULL,'ignore','{"id":"upgraded_1700000000_0a1b2c3d_child_3","experiment":"upgraded","parent_id":"upgraded_1700000000_0a1b2c3d","key":"child-3","script":"child.py","arguments":["3"],"snapshot":"d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee","gpus":0}','{"released": false}');
CREATE TABLE streams (
	run_id TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	stream TEXT NOT NULL,
	size BIGINT NOT NULL,
	PRIMARY KEY (run_id, attempt, stream)
);
INSERT INTO "streams" VALUES('upgraded_1700000000_0a1b2c3d_child_0',1,'log:user_logs/std_log.txt',70);
INSERT INTO "streams" VALUES('upgraded_1700000000_0a1b2c3d_child_0',1,'metrics',836);
INSERT INTO "streams" VALUES('upgraded_1700000000_0a1b2c3d_child_1',1,'log:user_logs/std_log.txt',35);
INSERT INTO "streams" VALUES('upgraded_1700000000_0a1b2c3d',1,'metrics',85);
INSERT INTO "streams" VALUES('upgraded_1700000000_0a1b2c3d',1,'log:user_logs/std_log.txt',47);
INSERT INTO "streams" VALUES('upgraded_1700000000_0a1b2c3d_child_1',1,'metrics',420);
CREATE TABLE sweeps (
	run_id TEXT NOT NULL,
	spec TEXT NOT NULL,
	paused BOOLEAN NOT NULL,
	retries INTEGER NOT NULL,
	over BOOLEAN NOT NULL,
	PRIMARY KEY (run_id)
);
CREATE TABLE tags (
	run_id TEXT NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT,
	PRIMARY KEY (run_id, "key")
);
INSERT INTO "tags" VALUES('upgraded_1700000000_0a1b2c3d','kept','yes');
CREATE TABLE targets (
	name TEXT NOT NULL,
	config TEXT NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "targets" VALUES('local','{"name": "local", "description": "", "labels": {}, "lend_slots": true, "default_gpus": null, "gpus": [], "kind": "local", "cpus": 1.0, "memory_mb": null, "python": null, "preload": []}');
CREATE INDEX runs_newest ON runs (begun_at, seq);
CREATE INDEX runs_parent ON runs (parent_id, status);
CREATE INDEX runs_path ON runs (path);
CREATE INDEX runs_bucket ON runs (bucket, target, rank, seq);
CREATE INDEX runs_experiment_newest ON runs (experiment, begun_at, seq);
CREATE UNIQUE INDEX runs_key ON runs (parent_id, "key");
CREATE INDEX tags_value ON tags ("key", substr(value, 1, 200), run_id);
CREATE INDEX properties_value ON properties ("key", substr(value, 1, 200), run_id);
CREATE INDEX points_run ON points (run_id, name, id);
CREATE INDEX params_key ON params ("key", run_id);
CREATE UNIQUE INDEX records_run ON records (kind, run_id, id);
CREATE INDEX records_id ON records (kind, id);
CREATE INDEX sweeps_over ON sweeps (over);
COMMIT;
