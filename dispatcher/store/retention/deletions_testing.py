"""`DeletionContract`: what every store keeps of deleted runs."""

from typing import Any

import pytest

from dispatcher.core.errors import RunConflict
from dispatcher.core.runs.lifecycle import Completed, Exited, Placed, Released, Run, Started, Status
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.contract import Store
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.metrics.contract import Point
from dispatcher.store.retention.contract import DeletedRun
from dispatcher.store.runs.contract import RunQuery
from dispatcher.store.runs.testing import EVIDENCE, add, change, ids, make


def ended(store: Store, name: str, parent: Run | None = None, **fields: Any) -> Run:
    """A run that has ended and left nothing on its target."""
    [run] = add(store, make(name, parent, **fields))
    steps = (Placed((Share("n"),)), Started(1.5), Exited(EVIDENCE), Completed(2.0), Released())
    moved = change(run, *steps)
    store.write(lambda tx: tx.runs.save([moved]))
    return moved.after


def delete(store: Store, *names: str, kept: dict[str, list[str]] | None = None) -> None:
    store.write(lambda tx: tx.deletions.delete(names, at=5.0, by="user:ada", kept=kept or {}))


def purge(store: Store, *names: str, limit: int = 1000, next_due: float | None = None) -> bool:
    return store.write(lambda tx: tx.deletions.purge(names, limit=limit, next_due=next_due))


def fill(store: Store, run_id: str) -> None:
    """Give a run something of everything."""

    def work(tx: Any) -> None:
        tx.labels.label_all({run_id: {"t": "1"}}, {run_id: {"p": "1", "model:m:1": "{}"}})
        tx.metrics.add_points([Point(run_id, 1, "m", "scalar", k) for k in range(3)])
        tx.metrics.advance({(run_id, 1, "log:a"): 3})
        tx.params.add(run_id, 1, {"lr": "1"})
        tx.documents.put([RunDocument("dataset", run_id, "d", {})])
        tx.artifacts.add([Artifact(run_id, name, "0" * 64, 1, 1.0) for name in ("m/a", "m0", "o")])

    store.write(work)


class DeletionContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_tree_is_a_run_and_all_below_it(self, store: Store) -> None:
        top = ended(store, "top")
        child = ended(store, "child", top)
        add(store, make("grandchild", child), make("other"))
        tree = store.write(lambda tx: tx.deletions.tree("top"))
        assert [(run.id, run.status, run.is_done) for run in tree] == [
            ("top", Status.COMPLETED, True),
            ("child", Status.COMPLETED, True),
            ("grandchild", Status.QUEUED, False),
        ]
        assert store.write(lambda tx: tx.deletions.tree("none")) == []

    def test_a_run_that_its_target_still_holds_something_of_is_not_done(self, store: Store) -> None:
        [run] = add(store, make("r"))
        moved = change(run, Placed((Share("n"),)), Started(1.5), Exited(EVIDENCE), Completed(2.0))
        store.write(lambda tx: tx.runs.save([moved]))
        [found] = store.write(lambda tx: tx.deletions.tree("r"))
        assert (found.status, found.is_done) == (Status.COMPLETED, False)

    def test_a_deleted_run_is_in_no_answer_and_is_known_to_be_deleted(self, store: Store) -> None:
        ended(store, "r", key=None)
        ended(store, "s")
        fill(store, "r")
        delete(store, "r")
        assert store.read(lambda tx: tx.runs.get(["r"])) == {}
        assert ids(store.read(lambda tx: tx.runs.query(RunQuery()))) == ["s"]
        assert store.read(lambda tx: tx.artifacts.page("r", prefix="", after="", limit=9)) == []
        assert store.read(lambda tx: tx.deletions.find(["r", "s"])) == {
            "r": DeletedRun("r", 5.0, "user:ada", 5.0)
        }

    def test_the_deletion_is_an_event(self, store: Store) -> None:
        ended(store, "r")
        before = store.read(lambda tx: tx.events.last())
        delete(store, "r")
        [event] = store.read(lambda tx: tx.events.after(before, 10))
        assert (event.kind, event.subject, event.run_id) == ("run.Deleted", "r", "r")

    def test_a_deletion_that_raises_changes_nothing(self, store: Store) -> None:
        run = ended(store, "r")

        def work(tx: Any) -> None:
            tx.deletions.delete(["r"], at=5.0, by="x", kept={})
            raise RunConflict("no")

        with pytest.raises(RunConflict):
            store.write(work)
        assert store.read(lambda tx: tx.runs.get(["r"])) == {"r": run}
        assert store.read(lambda tx: tx.deletions.find(["r"])) == {}

    def test_files_of_a_registered_model_stay(self, store: Store) -> None:
        ended(store, "r")
        fill(store, "r")
        delete(store, "r", kept={"r": ["m"]})
        left = store.read(lambda tx: tx.artifacts.page("r", prefix="", after="", limit=9))
        assert [artifact.name for artifact in left] == ["m/a"]
        assert purge(store, "r")
        assert store.read(lambda tx: tx.labels.properties(["r"])) == {"r": {"model:m:1": "{}"}}

    def test_a_purge_removes_the_rest_of_the_run_and_of_no_other(self, store: Store) -> None:
        for name in ("r", "s"):
            ended(store, name)
            fill(store, name)
        delete(store, "r")
        assert [run.run_id for run in store.read(lambda tx: tx.deletions.due(5.0, 9))] == ["r"]
        assert store.read(lambda tx: tx.deletions.due(4.0, 9)) == []
        while not purge(store, "r", limit=2, next_due=50.0):
            pass
        assert self.left(store, "r") == (0, 0, 0, 0, 0, 0)
        assert self.left(store, "s") == (3, 1, 1, 1, 1, 6)
        kinds = [e.kind for e in store.read(lambda tx: tx.events.after(0, 100)) if e.run_id == "r"]
        assert kinds == ["run.Deleted"]
        assert store.read(lambda tx: tx.deletions.due(49.0, 9)) == []
        assert len(store.read(lambda tx: tx.deletions.due(50.0, 9))) == 1

    def test_after_the_last_purge_a_deleted_run_is_forgotten_by_age(self, store: Store) -> None:
        ended(store, "r")
        delete(store, "r")
        assert store.write(lambda tx: tx.deletions.forget(9.0)) == 0
        last = store.read(lambda tx: tx.events.last())
        assert purge(store, "r")
        assert all(e.run_id != "r" for e in store.read(lambda tx: tx.events.after(0, 100)))
        assert store.read(lambda tx: tx.events.last()) == last, "an id is never given again"
        assert store.write(lambda tx: tx.deletions.forget(5.0)) == 0
        assert store.write(lambda tx: tx.deletions.forget(5.1)) == 1
        assert store.read(lambda tx: tx.deletions.find(["r"])) == {}

    def test_ended_runs_at_the_top_are_listed_by_their_end(self, store: Store) -> None:
        top = ended(store, "b")
        ended(store, "child", top)
        ended(store, "a", experiment="f")
        add(store, make("open"))
        found = store.read(lambda tx: tx.deletions.ended(9.0, None, 9))
        assert [run.id for run in found] == ["b", "a"]
        after = found[0].cursor
        assert store.read(lambda tx: tx.deletions.ended(9.0, after, 9)) == found[1:]
        assert store.read(lambda tx: tx.deletions.ended(9.0, None, 9, "f")) == found[1:]
        assert store.read(lambda tx: tx.deletions.ended(2.0, None, 9)) == []
        assert store.read(lambda tx: tx.deletions.count_ended()) == 2

    def test_marked_runs_are_found(self, store: Store) -> None:
        store.write(lambda tx: tx.documents.put([RunDocument("deleted", "r", "", {"at": 4.0})]))
        assert store.read(lambda tx: tx.deletions.marked("deleted")) == {"r": 4.0}

    def test_logs_of_ended_runs_are_found_and_forgotten(self, store: Store) -> None:
        for name in ("r", "s"):
            ended(store, name)
            fill(store, name)
        add(store, make("open"))
        store.write(lambda tx: tx.metrics.advance({("open", 1, "log:a"): 1}))
        assert sorted(store.read(lambda tx: tx.deletions.with_logs(9.0, 9))) == ["r", "s"]
        assert store.read(lambda tx: tx.deletions.with_logs(2.0, 9)) == []
        store.write(lambda tx: tx.deletions.drop_logs(["r"]))
        assert store.read(lambda tx: tx.deletions.with_logs(9.0, 9)) == ["s"]

    @staticmethod
    def left(store: Store, run_id: str) -> tuple[int, ...]:
        """How many points, streams, params, documents, tags and lifecycle events a run has."""

        def read(tx: Any) -> tuple[int, ...]:
            return (
                len(tx.metrics.points([run_id]).get(run_id, ())),
                len(tx.metrics.streams(run_id)),
                len(tx.params.of({run_id: 1}).get(run_id, ())),
                len(tx.documents.of_runs([run_id], ["dataset"]).get(run_id, ())),
                len(tx.labels.tags([run_id]).get(run_id, ())),
                len([e for e in tx.events.of_run(run_id) if e.kind != "run.Deleted"]),
            )

        return store.read(read)
