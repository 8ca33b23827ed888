"""Deleting runs for good.

- A run is deleted together with all runs below it. All of them must have ended, and their targets
  must have released them: the jobs' folders are gone there.
- The runs above it must have ended, too: a parent reads its children, and one that is tried again
  finds them by their keys.
- A sweep that has not ended keeps the sweeps that it continues from.
- Files that are registered as a model stay, and so does the model; all other files go.

The runs are gone for every reader with one commit. The rest of their rows and their logs are
removed after it (`purge`); where a service is killed in between, the next collection goes on.
Contents of files are shared by hash: garbage collection deletes those that nothing refers to.
"""

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import ExperimentNotFound, NotAllowed, RunConflict, RunNotFound
from dispatcher.core.runs.lifecycle import TERMINAL, Run, Status
from dispatcher.store.content.blobs import Logs
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.retention.contract import TreeRun
from dispatcher.store.retention.deleted_event import MODEL_PREFIX
from dispatcher.store.runs.contract import RunQuery

PURGED_AT_ONCE = 100  # runs in one transaction
POINTS_AT_ONCE = 20_000  # metric points in one transaction
PURGED_BY_THE_CALL = 1_000  # runs; the rest of a larger tree is left to the next collection
# Whoever was about to write something of the run when it was deleted has done so by then.
SECOND_PURGE_SECONDS = 3_600.0


class DeletionService:
    """Deletes runs.

    Args:
        store: Where runs are kept.
        logs: Their logs.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, logs: Logs, clock: Callable[[], float]) -> None:
        self._store, self._logs, self._clock = store, logs, clock

    def delete(self, run_id: str, caller: Grant) -> int:
        """Delete a run and all below it; answers how many runs these were.

        Raises:
            RunNotFound: There is no such run.
            NotAllowed: The caller's grant does not cover it.
            RunConflict: One of them, or one that relies on them, has not ended.
        """
        now = self._clock()

        def work(tx: Transaction) -> list[str]:
            ids = _deletable(tx, run_id, caller)
            kept = _model_paths(tx, set(ids))
            tx.deletions.delete(ids, at=now, by=caller.principal.actor, kept=kept)
            return ids

        ids = self._store.write(work)
        for start in range(0, min(len(ids), PURGED_BY_THE_CALL), PURGED_AT_ONCE):
            self._purge(ids[start : start + PURGED_AT_ONCE], now + SECOND_PURGE_SECONDS)
        return len(ids)

    def delete_experiment(self, name: str, caller: Grant, *, with_runs: bool, limit: int) -> bool:
        """Delete an experiment; with its runs if asked for, at most `limit` trees in this call.

        Trees are deleted whole, also where runs below are of another experiment.

        Returns:
            Whether the experiment is gone; otherwise there are more runs: call it again.

        Raises:
            ExperimentNotFound: There is no such experiment.
            RunConflict: A run of it cannot be deleted; or it has runs, and not `with_runs`.
        """

        def work(tx: Transaction) -> str | None:
            """Delete the experiment, or name one of its runs."""
            if name not in tx.registry.find_experiments([name]):
                raise ExperimentNotFound(name)
            for status in set(Status) - TERMINAL if with_runs else ():
                for run in tx.runs.query(RunQuery(experiment=name, status=status, limit=1)):
                    _refuse_open(run, ())
            for top_level in (True, False):
                for run in tx.runs.query(RunQuery(experiment=name, top_level=top_level, limit=1)):
                    return run.id
            tx.registry.delete_experiment(name)
            return None

        for _ in range(limit):
            run_id = self._store.write(work)
            if run_id is None:
                return True
            if not with_runs:
                raise RunConflict(
                    f"experiment {name!r} has runs, such as {run_id!r}: archive it instead, or "
                    f"delete it with its runs (dispatcher experiment delete {name} --with-runs)"
                )
            with suppress(RunNotFound):  # somebody else deletes them, too
                self.delete(run_id, caller)
        return False

    def delete_all(self, run_ids: Sequence[str], caller: Grant) -> list[str]:
        """Delete those of these runs that may be deleted, with all below them, in one commit.

        Answers which of them these were. The rest of their rows is left to `purge`.
        """
        now = self._clock()

        def work(tx: Transaction) -> list[str]:
            trees: dict[str, list[str]] = {}
            for run_id in run_ids:
                with suppress(RunNotFound, RunConflict, NotAllowed):
                    trees[run_id] = _deletable(tx, run_id, caller)
            ids = list(dict.fromkeys(each for tree in trees.values() for each in tree))
            if ids:
                kept = _model_paths(tx, set(ids))
                tx.deletions.delete(ids, at=now, by=caller.principal.actor, kept=kept)
            return list(trees)

        return self._store.write(work)

    def tree_ids(self, run_id: str) -> list[str]:
        """The ids of a run and all below it."""
        return [run.id for run in self._store.write(lambda tx: tx.deletions.tree(run_id))]

    def delete_logs(self, ids: Sequence[str]) -> None:
        """Delete the files of all logs of these runs."""
        streams = self._store.read(lambda tx: {each: tx.metrics.streams(each) for each in ids})
        for run_id, mine in streams.items():
            for attempt, stream, _ in mine:
                if stream.startswith("log:"):
                    self._logs.delete(run_id, attempt, stream.removeprefix("log:"))

    def unreleased(self, run_id: str) -> list[str]:
        """The runs of a tree that have ended and that their targets have not released yet."""
        tree = self._store.write(lambda tx: tx.deletions.tree(run_id))
        return [run.id for run in tree if run.status in TERMINAL and not run.is_done]

    def purge(self) -> int:
        """Remove what is left of deleted runs; answers of how many."""
        now, count = self._clock(), 0
        while due := self._store.read(lambda tx: tx.deletions.due(now, PURGED_AT_ONCE)):
            again = now + SECOND_PURGE_SECONDS
            first = [run.run_id for run in due if run.purge_due == run.at]
            second = [run.run_id for run in due if run.purge_due != run.at]
            self._purge(first, again)
            self._purge(second, None)
            count += len(due)
        return count

    def explain(self, run_id: str) -> str:
        """Why there is no run of an id: that it was deleted, when, and by whom; else empty."""
        deleted = self._store.read(lambda tx: tx.deletions.find([run_id])).get(run_id)
        if deleted is None:
            return ""
        at = datetime.fromtimestamp(deleted.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"run {run_id!r} was deleted at {at} by {deleted.by}"

    def _purge(self, ids: Sequence[str], next_due: float | None) -> None:
        """Remove logs first: their names are found by the rows."""
        if not ids:
            return
        self.delete_logs(ids)

        def work(tx: Transaction) -> bool:
            return tx.deletions.purge(ids, limit=POINTS_AT_ONCE, next_due=next_due)

        while not self._store.write(work):
            pass


def _deletable(tx: Transaction, run_id: str, caller: Grant) -> list[str]:
    """The ids of a tree that may be deleted. Raises RunNotFound, NotAllowed, RunConflict."""
    tree = tx.deletions.tree(run_id)
    run = tx.runs.get([run_id]).get(run_id)
    if run is None:
        raise RunNotFound(run_id)
    caller.require(run)
    _refuse_open(run, tree)
    above = tx.runs.get(run.lineage)
    for parent in above.values():
        if not parent.terminal:
            raise RunConflict(
                f"run {run_id!r} cannot be deleted while run {parent.id!r} above it is "
                f"{parent.shown_status}: cancel that one first, or wait until it has ended"
            )
    ids = [each.id for each in tree]
    _refuse_sweeps(tx, {*ids, *run.lineage})
    return ids


def _refuse_open(run: Run, tree: Sequence[TreeRun]) -> None:
    """Raise RunConflict if a run of the tree has not ended, or is not released."""
    alive = [each for each in tree if each.status not in TERMINAL]
    if not run.terminal:
        raise RunConflict(
            f"run {run.id!r} is {run.shown_status}: cancel it first, or wait until it has ended "
            f"(dispatcher run cancel {run.id})"
        )
    if alive:
        raise RunConflict(
            f"run {run.id!r} cannot be deleted: {len(alive)} of the runs below it have not ended, "
            f"such as {alive[0].id!r}, which is {alive[0].status}: cancel them first, or wait "
            f"(dispatcher run cancel {alive[0].id})"
        )
    held = [each.id for each in tree if not each.is_done]
    if held:
        raise RunConflict(
            f"run {held[0]!r} has ended, but its target {run.spec.target!r} has not released its "
            "folder yet: delete it once the target answers"
        )


def _refuse_sweeps(tx: Transaction, ids: Collection[str]) -> None:
    """Raise RunConflict if a sweep that goes on needs one of these runs."""
    for sweep in tx.sweeps.unfinished().values():
        if sweep.run_id in ids:
            raise RunConflict(f"sweep {sweep.run_id!r} has not ended: cancel it first, or wait")
        for needed in sweep.spec.resume_from:
            if needed in ids:
                raise RunConflict(
                    f"sweep {sweep.run_id!r} has not ended and continues from the trials of "
                    f"{needed!r}: cancel it first, or wait until it has ended"
                )


def _model_paths(tx: Transaction, ids: Collection[str]) -> dict[str, set[str]]:
    """By run, the paths of its files and folders that are registered as models."""
    paths: dict[str, set[str]] = {}
    for run_id, _, text in tx.labels.properties_like(MODEL_PREFIX):
        if run_id not in ids or not text:
            continue
        try:
            path = json.loads(text)["path"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # a property of that name that a user has set
        if isinstance(path, str):
            paths.setdefault(run_id, set()).add(path)
    return paths
