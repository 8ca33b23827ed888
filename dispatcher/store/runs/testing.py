"""`RunContract`: what every store keeps of runs."""

from collections.abc import Sequence
from typing import Any

import pytest

from dispatcher.core.errors import RunConflict
from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.lifecycle import (
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
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.contract import Store
from dispatcher.store.runs.codec import state_of
from dispatcher.store.runs.contract import NOT_STARTED_AT, Change, RunQuery, StoredState, cursor_of

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


def ids(runs: Sequence[Run]) -> list[str]:
    return [run.id for run in runs]


class RunContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_it_is_known_whether_a_run_uses_a_snapshot(self, store: Store) -> None:
        environment = {"dockerfile": "FROM x", "context": "c" * 64}
        add(store, make("a", snapshot="a" * 64, target="one", environment=environment))
        for snapshot, target, used in (
            ("a" * 64, None, True),
            ("c" * 64, None, True),
            ("a" * 64, "one", True),
            ("c" * 64, "one", True),
            ("a" * 64, "two", False),
            ("b" * 64, None, False),
        ):
            found = store.read(lambda tx, s=snapshot, t=target: tx.runs.using_snapshot(s, t))  # type: ignore[misc]
            assert found is used, (snapshot, target)

    def test_a_run_keeps_who_submitted_it(self, store: Store) -> None:
        spec = make("a").spec
        add(store, first(spec, now=1.0, parent=None, submitted_by="ada"))
        assert store.read(lambda tx: tx.runs.get(["a"]))["a"].submitted_by == "ada"

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

    def test_a_change_of_a_run_that_is_gone_or_went_back_is_stale(self, store: Store) -> None:
        [a] = add(store, make("a"))
        placed = change(a, Placed((Share("n"),)))
        ahead = change(placed.after, Started(1.5))
        gone = change(make("never-stored"), Placed((Share("n"),)))
        assert store.write(lambda tx: tx.runs.save([ahead, gone])) == {"a", "never-stored"}
        assert store.write(lambda tx: tx.runs.save([placed])) == set()
        assert store.read(lambda tx: tx.runs.get(["a", "never-stored"])) == {"a": placed.after}
        assert [e.change for e in store.read(lambda tx: tx.events.of_run("a"))] == [
            "Submitted", "Placed",
        ]  # fmt: skip

    def test_the_events_of_a_run_are_its_history(self, store: Store) -> None:
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)), Started(1.5))]))
        events = store.read(lambda tx: tx.events.of_run("r"))
        assert [(e.version, e.change) for e in events] == [
            (1, "Submitted"), (2, "Placed"), (3, "Started"),
        ]  # fmt: skip
        assert events[2].data == {"started_at": 1.5}

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
        assert query(after=(NOT_STARTED_AT, 3)) == ["r1", "r0"]
        assert query(ids=("r1", "nobody")) == ["r1"]
        assert query(id_prefix="r") == ["r5", "r4", "r3", "r2", "r1", "r0"]
        assert query(id_prefix="r1") == ["r1"]
        assert query(id_prefix="R1") == []
        assert query(id_prefix="r_") == []

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
            rest = RunQuery(after=cursor_of(every[k]))
            assert store.read(lambda tx, rest=rest: tx.runs.query(rest)) == every[k + 1 :]  # type: ignore[misc]

    def test_who_begins_between_two_pages_is_in_a_later_one(self, store: Store) -> None:
        a, b, c, _d = add(store, *[make(name) for name in "abcd"])
        placed = Placed((Share("n"),))
        store.write(lambda tx: tx.runs.save([change(b, placed, Started(20.0))]))
        [first_page] = store.read(lambda tx: tx.runs.query(RunQuery(limit=1)))
        store.write(
            lambda tx: tx.runs.save([change(a, placed, Started(30.0)), change(c, Failed(40.0, {}))])
        )
        rest = store.read(lambda tx: tx.runs.query(RunQuery(after=cursor_of(first_page))))
        assert (first_page.id, ids(rest)) == ("d", ["c", "a", "b"])

    def test_rows_of_owed_runs_are_compared_without_reading_them(self, store: Store) -> None:
        runs = add(store, *[make(name) for name in "abc"])
        placed = [change(run, Placed((Share("n"),))) for run in runs]
        store.write(lambda tx: tx.runs.save(placed))
        states = store.read(lambda tx: tx.runs.owed_states(after=1, limit=1))
        assert states == [StoredState(2, "b", 2, state_of(placed[1].after))]

    def test_the_ids_of_a_queue_are_in_its_order(self, store: Store) -> None:
        add(store, make("a"), make("b", priority=1), make("c"), make("d", target="other"))
        assert store.read(lambda tx: tx.runs.queue_ids("local", 2)) == ["b", "a"]

    def test_what_is_released_is_owed_no_more(self, store: Store) -> None:
        [run] = add(store, make("r"))
        events = (Placed((Share("n"),)), Started(1.0), Exited(EVIDENCE), Completed(2.0))
        done = change(run, *events)
        store.write(lambda tx: tx.runs.save([done]))
        assert ids(store.read(lambda tx: tx.runs.owed())) == ["r"]
        store.write(lambda tx: tx.runs.save([change(done.after, Released())]))
        assert store.read(lambda tx: tx.runs.owed()) == []
