"""`EventContract`: one log of events, in the order of the commits, for every reader."""

import threading
from typing import Any

import pytest

from dispatcher.core.runs.lifecycle import Placed
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store
from dispatcher.store.events.contract import RecordedEvent
from dispatcher.store.runs.testing import add, change, make


def log_of(store: Store, position: int = 0) -> list[RecordedEvent]:
    return store.read(lambda tx: tx.events.after(position, 10_000))


class EventContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_every_change_of_a_noun_is_an_event(self, store: Store) -> None:
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)))]))
        store.write(lambda tx: tx.labels.set_tags("r", {"b": None, "a": "1"}))
        store.write(lambda tx: tx.labels.remove_tags("r", ["a"]))
        store.write(lambda tx: tx.labels.add_properties("r", {"p": "1"}))
        store.write(lambda tx: tx.labels.describe("r", {"description": "d"}))
        store.write(lambda tx: tx.registry.experiment("e", now=7.0))
        store.write(lambda tx: tx.registry.put_target("t", {}))
        store.write(lambda tx: tx.registry.delete_target("t"))
        events = log_of(store)
        assert [(e.id, e.kind, e.subject) for e in events] == [
            (1, "run.Submitted", "r"), (2, "run.Placed", "r"), (3, "labels.TagsSet", "r"),
            (4, "labels.TagsRemoved", "r"), (5, "labels.PropertiesAdded", "r"),
            (6, "labels.Described", "r"), (7, "experiment.Created", "e"),
            (8, "target.Attached", "t"), (9, "target.Detached", "t"),
        ]  # fmt: skip
        assert (events[1].version, events[1].attempt, events[1].at) == (2, 1, 9.0)
        assert events[2].data == {"names": ["a", "b"]}

    def test_what_changes_nothing_is_no_event(self, store: Store) -> None:
        store.write(lambda tx: tx.labels.set_tags("r", {}))
        store.write(lambda tx: tx.labels.add_properties("r", {}))
        store.write(lambda tx: tx.registry.delete_target("none"))
        assert log_of(store) == []

    def test_an_event_names_the_principal_that_made_the_change(self, store: Store) -> None:
        store.write(lambda tx: tx.runs.add([make("r")]), actor="user:ann")
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "1"}))
        assert [event.actor for event in log_of(store)] == ["user:ann", "service"]

    def test_work_that_raises_leaves_no_event(self, store: Store) -> None:
        def work(tx: Any) -> None:
            tx.runs.add([make("r")])
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            store.write(work)
        add(store, make("s"))
        assert [(event.id, event.subject) for event in log_of(store)] == [(1, "s")]

    def test_the_log_is_read_from_any_position_page_by_page(self, store: Store) -> None:
        add(store, *[make(f"r{k}") for k in range(5)])
        assert [e.id for e in store.read(lambda tx: tx.events.after(1, 2))] == [2, 3]
        assert store.read(lambda tx: tx.events.after(5, 2)) == []
        assert store.read(lambda tx: tx.events.last()) == 5

    def test_many_writers_at_once_are_told_of_in_order_and_without_gaps(self, store: Store) -> None:
        commits: list[Commit] = []
        store.subscribe(commits.append)

        def work(k: int) -> None:
            for n in range(10):
                add(store, make(f"r{k}-{n}"))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = [event for commit in commits for event in commit.events]
        assert [event.id for event in events] == list(range(1, 81))
        assert events == log_of(store)
        assert {run.id for commit in commits for run in commit.runs} == {e.run_id for e in events}
