"""`StoreContract`: what every store keeps. A store's test is a subclass with a `store` fixture."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dispatcher.core.errors import ArtifactConflict, PropertyConflict, RunConflict
from dispatcher.core.jobs import Evidence
from dispatcher.core.lifecycle import (
    Completed,
    Exited,
    Failed,
    Placed,
    Released,
    Retried,
    Run,
    Started,
    first,
    step,
)
from dispatcher.core.policies import MedianStopping
from dispatcher.core.scheduling import Share
from dispatcher.core.spec import RunSpec
from dispatcher.core.sweeps import Metric, Sampling, Sweep, SweepSpec
from dispatcher.store.contract import Store
from dispatcher.store.records import NOT_BEGUN, Artifact, Change, Holder, Record, RunQuery, place_of

EVIDENCE = Evidence(exit_code=0, started_at=1.0, ended_at=2.0, receipt=({"pid": 1, "signal": 15},))


def make(name: str, parent: Run | None = None, **fields: Any) -> Run:
    values = {"id": name, "experiment": "e", "command": "true", **fields}
    if parent is not None:
        values["parent_id"] = parent.id
    return first(RunSpec(**values), now=1.0, parent=parent)


def add(store: Store, *runs: Run) -> list[Run]:
    return store.write(lambda tx: tx.runs.add(runs))


def change(run: Run, *events: Any) -> Change:
    after = run
    for event in events:
        after = step(after, event)
    return Change(run, after, tuple(events), 9.0)


def put(store: Store, *artifacts: Artifact) -> None:
    store.write(lambda tx: tx.artifacts.add(artifacts))


def acquire(store: Store, name: str, now: float) -> int | None:
    holder = Holder(*name.split("#"))
    return store.write(lambda tx: tx.registry.acquire("l", holder, now=now, ttl=10))


def ids(runs: Sequence[Run]) -> list[str]:
    return [run.id for run in runs]


def sweep(name: str, **fields: Any) -> Sweep:
    trial = RunSpec(id=f"{name}_0", experiment="e", command="true")
    told = {"name": "GRID", "parameter_space": {"a": ["choice", [[1, 2.0, None, "ü"]]]}}
    spec = SweepSpec(
        id=name,
        experiment="e",
        trial=trial,
        sampling=Sampling.model_validate(told),
        policy=MedianStopping(name="MedianStopping"),
        primary_metric=Metric(name="m", goal="maximize"),
        max_total_runs=4,
        max_concurrent_runs=2,
        first=({"a": None},),
    )
    return Sweep(name, spec, **fields)


class StoreContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_sweep_comes_back_as_it_was_kept_until_it_is_over(self, store: Store) -> None:
        one, two = sweep("one"), sweep("two", paused=True, retries=2)
        for each in (one, two):
            store.write(lambda tx, each=each: tx.sweeps.put(each))  # type: ignore[misc]
        assert store.read(lambda tx: tx.sweeps.get(["one", "two", "three"])) == {
            "one": one,
            "two": two,
        }
        over = replace(two, over=True)
        store.write(lambda tx: tx.sweeps.put(over))
        assert store.read(lambda tx: tx.sweeps.unfinished()) == {"one": one}
        assert store.read(lambda tx: tx.sweeps.get(["two"])) == {"two": over}

    def test_a_run_comes_back_as_it_was_stored(self, store: Store) -> None:
        spec: dict[str, Any] = {
            "arguments": ("--x", "1"),
            "tags": {"a": None},
            "gpus": 2,
            "priority": 3,
        }
        [run] = add(store, make("r", **spec))
        assert (run.seq, run.number) == (1, 1)
        assert store.read(lambda tx: tx.runs.get(["r"])) == {"r": run}
        moved = change(
            run, Placed((Share("n", ("0", "1")),)), Started(1.5), Exited(EVIDENCE), Completed(2.0)
        )
        assert store.write(lambda tx: tx.runs.save([moved])) == set()
        assert store.read(lambda tx: tx.runs.get(["r"]))["r"] == moved.after

    def test_a_change_of_a_run_that_has_moved_is_refused_and_the_others_are_kept(
        self, store: Store
    ) -> None:
        a, b = add(store, make("a"), make("b"))
        store.write(lambda tx: tx.runs.save([change(a, Placed((Share("n"),)))]))
        late = [change(a, Placed((Share("other"),))), change(b, Placed((Share("n"),)))]
        assert store.write(lambda tx: tx.runs.save(late)) == {"a"}
        now = store.read(lambda tx: tx.runs.get(["a", "b"]))
        assert now["a"].placement == now["b"].placement == (Share("n"),)

    def test_the_events_of_a_run_are_its_history(self, store: Store) -> None:
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)), Started(1.5))]))
        events = store.read(lambda tx: tx.runs.events("r"))
        assert [(e.version, e.type) for e in events] == [
            (1, "Submitted"), (2, "Placed"), (3, "Started"),
        ]  # fmt: skip
        assert events[2].data == {"started_at": 1.5}

    def test_work_that_raises_changes_nothing(self, store: Store) -> None:
        def work(tx: Any) -> None:
            tx.runs.add([make("r")])
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            store.write(work)
        assert store.read(lambda tx: tx.runs.get(["r"])) == {}

    def test_an_id_or_a_child_key_is_given_once(self, store: Store) -> None:
        [parent] = add(store, make("p"))
        add(store, make("c", parent, key="k"))
        with pytest.raises(RunConflict):
            add(store, make("p"))
        with pytest.raises(RunConflict):
            add(store, make("d", parent, key="k"))
        assert ids(list(store.read(lambda tx: tx.runs.by_key("p", ["k", "l"])).values())) == ["c"]

    def test_the_queue_is_by_priority_then_age_and_leaves_out_what_moved_on(
        self, store: Store
    ) -> None:
        runs = add(store, make("a"), make("b", priority=1), make("c"), make("d", target="other"))
        assert ids(store.read(lambda tx: tx.runs.queue("local", 10))) == ["b", "a", "c"]
        assert ids(store.read(lambda tx: tx.runs.queue("local", 2))) == ["b", "a"]
        assert store.read(lambda tx: tx.runs.queued_targets()) == {"local", "other"}
        store.write(lambda tx: tx.runs.save([change(runs[0], Placed((Share("n"),)))]))
        assert ids(store.read(lambda tx: tx.runs.queue("local", 10))) == ["b", "c"]
        assert ids(store.read(lambda tx: tx.runs.owed())) == ["a"]

    def test_what_is_released_is_owed_no_more(self, store: Store) -> None:
        [run] = add(store, make("r"))
        events = (Placed((Share("n"),)), Started(1.0), Exited(EVIDENCE), Completed(2.0))
        done = change(run, *events)
        store.write(lambda tx: tx.runs.save([done]))
        assert ids(store.read(lambda tx: tx.runs.owed())) == ["r"]
        store.write(lambda tx: tx.runs.save([change(done.after, Released())]))
        assert store.read(lambda tx: tx.runs.owed()) == []

    def test_a_tree_is_found_by_its_root_and_counted_by_status(self, store: Store) -> None:
        [p] = add(store, make("p"))
        [c, _d] = add(store, make("c", p), make("d", p))
        add(store, make("cc", c), make("p0"))
        below = store.read(lambda tx: tx.runs.query(RunQuery(below="p")))
        assert ids(below) == ["cc", "d", "c"]
        within = store.read(lambda tx: tx.runs.query(RunQuery(within="p")))
        assert ids(within) == ["cc", "d", "c", "p"]
        assert ids(store.read(lambda tx: tx.runs.query(RunQuery(within="cc")))) == ["cc"]
        assert store.read(lambda tx: tx.runs.query(RunQuery(within="nobody"))) == []
        assert ids(store.read(lambda tx: tx.runs.query(RunQuery(parent="p")))) == ["d", "c"]
        assert ids(store.read(lambda tx: tx.runs.open_below("p"))) == ["c", "d", "cc"]
        counts = store.read(lambda tx: tx.runs.children_by_status(["p", "c", "cc"]))
        assert counts == {"p": {"Queued": 2}, "c": {"Queued": 1}}

    def test_filters_are_joined_and_pages_follow_each_other(self, store: Store) -> None:
        add(store, *[make(f"r{k}", type="t" if k % 2 else None) for k in range(6)])
        for k in range(6):
            tags: dict[str, str | None] = {"k": str(k), "none": None}
            store.write(lambda tx, k=k, tags=tags: tx.labels.set_tags(f"r{k}", tags))  # type: ignore[misc]

        def query(**fields: Any) -> list[str]:
            return ids(store.read(lambda tx: tx.runs.query(RunQuery(**fields))))

        assert query(type="t") == ["r5", "r3", "r1"]
        assert query(tags=(("k", ("3",)),)) == ["r3"]
        assert query(tags=(("k", None),), limit=2) == ["r5", "r4"]
        assert query(tags=(("none", (None,)), ("k", ("2",)))) == ["r2"]
        assert query(tags=(("k", ("3",)),), type=None, status="Completed") == []
        assert query(limit=2) == ["r5", "r4"]
        assert query(after=(NOT_BEGUN, 3)) == ["r1", "r0"]
        assert query(ids=("r1", "nobody")) == ["r1"]

    def test_lists_go_by_start_and_who_has_not_begun_comes_first(self, store: Store) -> None:
        a, b, c, d, _e, f = add(store, *[make(name) for name in "abcdef"])
        placed = Placed((Share("n"),))
        node_lost = (Exited(EVIDENCE), Retried(2, {"infra": 1}))
        store.write(
            lambda tx: tx.runs.save([
                change(a, placed, Started(30.0)),
                change(b, placed, Started(20.0)),
                change(c, Failed(25.0, {})),
                change(d, placed, Started(10.0), *node_lost, placed, Started(40.0)),
                change(f, placed),
            ])
        )  # fmt: skip
        every = store.read(lambda tx: tx.runs.query(RunQuery(experiment="e")))
        assert ids(every) == ["f", "e", "a", "c", "b", "d"]
        for k in range(len(every)):
            rest = RunQuery(after=place_of(every[k]))
            assert store.read(lambda tx, rest=rest: tx.runs.query(rest)) == every[k + 1 :]  # type: ignore[misc]

    def test_who_begins_between_two_pages_is_in_a_later_one(self, store: Store) -> None:
        a, b, c, _d = add(store, *[make(name) for name in "abcd"])
        placed = Placed((Share("n"),))
        store.write(lambda tx: tx.runs.save([change(b, placed, Started(20.0))]))
        [first_page] = store.read(lambda tx: tx.runs.query(RunQuery(limit=1)))
        store.write(
            lambda tx: tx.runs.save([change(a, placed, Started(30.0)), change(c, Failed(40.0, {}))])
        )
        rest = store.read(lambda tx: tx.runs.query(RunQuery(after=place_of(first_page))))
        assert (first_page.id, ids(rest)) == ("d", ["c", "a", "b"])

    def test_properties_are_added_and_never_changed(self, store: Store) -> None:
        add(store, make("r"))
        store.write(lambda tx: tx.labels.add_properties("r", {"author": "x", "n": None}))
        store.write(lambda tx: tx.labels.add_properties("r", {"author": "x"}))
        with pytest.raises(PropertyConflict):
            store.write(lambda tx: tx.labels.add_properties("r", {"new": "1", "author": "y"}))
        assert store.read(lambda tx: tx.labels.properties(["r"])) == {
            "r": {"author": "x", "n": None}
        }

    def test_tags_are_set_merged_and_removed(self, store: Store) -> None:
        add(store, make("r"))
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "1", "b": None}))
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "2"}))
        store.write(lambda tx: tx.labels.remove_tags("r", ["b", "nothing"]))
        assert store.read(lambda tx: tx.labels.tags(["r"])) == {"r": {"a": "2"}}

    def test_a_description_survives_the_next_change(self, store: Store) -> None:
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.labels.describe("r", {"display_name": "D"}))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)))]))
        assert store.read(lambda tx: tx.runs.get(["r"]))["r"].display_name == "D"

    def test_a_lease_is_held_by_one_and_its_token_grows_with_each_holder(
        self, store: Store
    ) -> None:
        assert acquire(store, "a#1", 0.0) == 1
        assert acquire(store, "b#1", 5.0) is None
        assert acquire(store, "a#1", 6.0) == 1
        assert acquire(store, "b#1", 17.0) == 2
        assert store.read(lambda tx: tx.registry.fenced("l", 1))
        assert not store.read(lambda tx: tx.registry.fenced("l", 2))

    def test_who_comes_after_a_process_of_its_house_need_not_wait_and_fences_it_off(
        self, store: Store
    ) -> None:
        assert acquire(store, "a#1", 0.0) == 1
        assert acquire(store, "a#2", 1.0) == 2
        assert store.read(lambda tx: tx.registry.fenced("l", 1))
        assert acquire(store, "ab#1", 2.0) is None

    def test_registry_entries_come_back(self, store: Store) -> None:
        one = store.write(lambda tx: tx.registry.experiment("e", now=1.0))
        assert store.write(lambda tx: tx.registry.experiment("e", now=2.0)) == one
        assert store.read(lambda tx: tx.registry.experiments()) == [one]
        store.write(lambda tx: tx.registry.put_target("t", {"kind": "local"}))
        store.write(lambda tx: tx.registry.put_target("t", {"kind": "ray"}))
        assert store.read(lambda tx: tx.registry.targets()) == {"t": {"kind": "ray"}}
        assert store.write(lambda tx: tx.registry.delete_target("t"))
        assert not store.write(lambda tx: tx.registry.delete_target("t"))
        assert store.write(lambda tx: tx.registry.meta("m", "1")) == "1"
        assert store.write(lambda tx: tx.registry.meta("m", "2")) == "1"
        store.write(lambda tx: tx.registry.put_meta("m", "3"))
        assert store.read(lambda tx: tx.registry.meta("m", "2")) == "3"
        store.write(lambda tx: tx.registry.remember("k", "d", "a", now=1.0))
        assert store.read(lambda tx: tx.registry.recall("k")) == ("d", "a")

    def test_a_file_of_a_run_is_written_once_by_each_attempt(self, store: Store) -> None:
        first, later = Artifact("r", "a", "1", 1, 1.0), Artifact("r", "a", "2", 2, 2.0, attempt=2)
        put(store, first)
        put(store, first)
        with pytest.raises(ArtifactConflict, match=r"'a'.*1.*2"):
            put(store, Artifact("r", "b", "1", 1, 1.0), Artifact("r", "a", "2", 1, 1.0))
        assert store.read(lambda tx: tx.artifacts.find("r", ["a", "b"])) == {"a": first}
        put(store, later)
        put(store, first)
        assert store.read(lambda tx: tx.artifacts.find("r", ["a"])) == {"a": later}
        assert store.read(lambda tx: tx.artifacts.find("s", ["a"])) == {}

    def test_files_are_listed_by_prefix_and_page_by_page(self, store: Store) -> None:
        names = ["A/1", "a%", "a/1", "a/2", "a/é", "a0", "b"]
        put(store, *(Artifact("r", name, "1", 1, 1.0) for name in reversed(names)))

        def page(prefix: str = "", after: str = "", limit: int = 9) -> list[str]:
            found = store.read(
                lambda tx: tx.artifacts.page("r", prefix=prefix, after=after, limit=limit)
            )
            return [artifact.name for artifact in found]

        assert page() == names
        assert page("a/") == ["a/1", "a/2", "a/é"]
        assert page("a/", after="a/1", limit=1) == ["a/2"]
        assert page("a%") == ["a%"]
        assert page("c") == []

    def test_an_experiment_changes_and_can_be_deleted(self, store: Store) -> None:
        made = store.write(lambda tx: tx.registry.experiment("e", now=1.0))
        changed = replace(made, tags={"a": None}, archived_at=3.0)
        store.write(lambda tx: tx.registry.put_experiment(changed))
        assert store.read(lambda tx: tx.registry.experiments()) == [changed]
        store.write(lambda tx: tx.registry.delete_experiment("e"))
        assert store.read(lambda tx: tx.registry.experiments()) == []

    def test_a_commit_tells_which_runs_it_changed(self, store: Store) -> None:
        heard: list[str] = []
        store.on_commit(lambda runs: heard.extend(run.id for run in runs))
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)))]))
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "b"}))
        assert heard == ["r", "r"]

    def test_many_writers_at_once_lose_nothing(self, store: Store) -> None:
        def work(k: int) -> None:
            for n in range(10):
                add(store, make(f"r{k}-{n}"))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runs = store.read(lambda tx: tx.runs.queue("local", 1000))
        assert sorted(run.seq for run in runs) == list(range(1, 81))
        assert sorted(run.number for run in runs) == list(range(1, 81))

    def test_records_are_replaced_found_and_removed(self, store: Store) -> None:
        add(store, make("r"), make("s", experiment="other"))
        one, two = Record("model", "r", "m1", {"a": 1}, name="n"), Record("data", "s", "d", {})
        store.write(lambda tx: tx.records.put([one, two]))
        changed = replace(one, body={"a": [2]}, digest="x", context="y")
        store.write(lambda tx: tx.records.put([changed, Record("model", "s", "m2", {})]))
        assert store.read(lambda tx: tx.records.of_runs(["r"], ["model"])) == {"r": [changed]}
        assert store.read(lambda tx: tx.records.find("model", ["m1", "no"])) == {"m1": changed}
        found = store.read(lambda tx: tx.records.of_experiments("model", ["e", "other"]))
        assert [record.id for record in found] == ["m1", "m2"]
        assert store.read(lambda tx: tx.records.of_experiments("data", ["e"])) == []
        store.write(lambda tx: tx.records.remove("model", "r", "m1"))
        assert store.read(lambda tx: tx.records.find("model", ["m1"])) == {}

    def test_a_file_can_be_replaced_and_forgotten(self, store: Store) -> None:
        put(store, Artifact("r", "a", "1", 1, 1.0), Artifact("r", "b", "1", 1, 1.0))
        store.write(lambda tx: tx.artifacts.replace(Artifact("r", "a", "2", 2, 2.0)))
        assert store.read(lambda tx: tx.artifacts.find("r", ["a"]))["a"].sha256 == "2"
        store.write(lambda tx: tx.artifacts.remove("r", ["a", "no"]))
        assert list(store.read(lambda tx: tx.artifacts.find("r", ["a", "b"]))) == ["b"]

    def test_experiments_are_found_by_name_and_id(self, store: Store) -> None:
        made = store.write(lambda tx: tx.registry.experiment("e", now=1.0))
        assert store.read(lambda tx: tx.registry.find_experiments(["e", "f"])) == {"e": made}
        assert store.read(lambda tx: tx.registry.experiment_by_id(made.id)) == made
        assert store.read(lambda tx: tx.registry.experiment_by_id("0")) is None
