"""Which runs the rules delete: the oldest first, each with all below it.

A run counts by its end. One that something still relies on (`services.deletion`) is left alone.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from dispatcher.access.permissions import Grant, Permission, Scope
from dispatcher.access.principals import SERVICE
from dispatcher.core.errors import DispatcherError
from dispatcher.core.retention import RetentionRules
from dispatcher.services.collection.collected import Collected
from dispatcher.services.deletion import DeletionService
from dispatcher.store.content.blobs import Logs
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.retention.contract import EndedCursor, EndedRun
from dispatcher.store.runs.mlflow_terms import DELETED, DELETED_EXPERIMENT

PAGE = 200  # runs that are deleted in one transaction
GRANT = Grant(SERVICE, Permission.DELETE_RUNS, Scope.ANY)
_FAR = 1e17  # seconds: later than every end


class RunCollector:
    """Deletes runs and logs by the rules.

    Args:
        store: The runs.
        deletion: Deletes them.
        logs: Their logs.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        deletion: DeletionService,
        logs: Logs,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._deletion = store, deletion
        self._logs, self._clock = logs, clock

    def collect(self, rules: RetentionRules, *, dry_run: bool = False) -> Collected:
        """Delete the runs that the rules name; answers how many trees, and their bytes."""
        total = Collected()
        for page in self._pages(rules):
            sizes = self._sizes(page)
            ids = page if dry_run else self._deletion.delete_all(page, GRANT)
            total += Collected(len(ids), sum(sizes[run_id] for run_id in ids))
        return total

    def collect_experiments(self, rules: RetentionRules, *, dry_run: bool = False) -> Collected:
        """Delete experiments that were deleted in MLflow long ago, with all runs."""
        if rules.deleted_runs_age is None:
            return Collected()
        due = self._experiments_deleted_in_mlflow(self._clock() - rules.deleted_runs_age)
        count = 0
        for name in due:
            with suppress(DispatcherError):  # a run of it has not ended, or others delete it, too
                while not dry_run and not self._deletion.delete_experiment(
                    name, GRANT, with_runs=True, limit=PAGE
                ):
                    pass
                count += 1
        return Collected(count)

    def collect_logs(self, rules: RetentionRules, *, dry_run: bool = False) -> Collected:
        """Delete the logs of runs that ended long ago; answers of how many runs."""
        if rules.logs_age is None:
            return Collected()
        before, count = self._clock() - rules.logs_age, 0
        if dry_run:
            return Collected(
                len(self._store.read(lambda tx: tx.deletions.with_logs(before, 1 << 40)))
            )
        while ids := self._store.read(lambda tx: tx.deletions.with_logs(before, PAGE)):
            self._deletion.delete_logs(ids)
            self._store.write(lambda tx, some=ids: tx.deletions.drop_logs(some))  # type: ignore[misc]
            count += len(ids)
        return Collected(count)

    def _pages(self, rules: RetentionRules) -> Iterator[list[str]]:
        """The runs at the top that are to go."""
        now = self._clock()
        if rules.deleted_runs_age is not None:
            yield from _pieces(self._deleted_in_mlflow(now - rules.deleted_runs_age))
        if rules.runs_age is not None:
            yield from self._ended(now - rules.runs_age, 1 << 60)
        if rules.runs_count is not None:
            surplus = self._store.read(lambda tx: tx.deletions.count_ended()) - rules.runs_count
            yield from self._ended(_FAR, surplus)
        if rules.runs_bytes is not None:
            yield from self._too_large(rules.runs_bytes)

    def _ended(self, before: float, most: int) -> Iterator[list[str]]:
        after: EndedCursor | None = None
        while most > 0 and (page := self._page(before, after, min(PAGE, most))):
            yield [run.id for run in page]
            after = page[-1].cursor
            most -= len(page)

    def _too_large(self, limit: int) -> Iterator[list[str]]:
        """The oldest runs, until the others take no more than that."""
        surplus = self._store.read(lambda tx: tx.references.total_size()) - limit
        after: EndedCursor | None = None
        while surplus > 0 and (page := self._page(_FAR, after, PAGE)):
            due: list[str] = []
            for run_id, size in self._sizes([run.id for run in page]).items():
                if surplus <= 0:
                    break
                surplus -= size
                due += [run_id] if size else []  # one without files frees nothing
            yield due
            after = page[-1].cursor

    def _page(self, before: float, after: EndedCursor | None, limit: int) -> list[EndedRun]:
        return self._store.read(lambda tx: tx.deletions.ended(before, after, limit))

    def _sizes(self, ids: list[str]) -> dict[str, int]:
        return self._store.read(lambda tx: tx.references.tree_sizes(ids))

    def _experiments_deleted_in_mlflow(self, before: float) -> list[str]:
        def read(tx: Transaction) -> list[str]:
            archived = (e for e in tx.registry.experiments() if e.archived_at is not None)
            marks = {e.name: tx.registry.find_meta(f"{DELETED_EXPERIMENT}{e.id}") for e in archived}
            return [name for name, at in marks.items() if at is not None and float(at) < before]

        return self._store.read(read)

    def _deleted_in_mlflow(self, before: float) -> list[str]:
        """Runs deleted in MLflow so long ago, with all below them."""
        marked = self._store.read(lambda tx: tx.deletions.marked(DELETED))
        old = {run_id for run_id, at in marked.items() if at < before}
        trees = {each: self._deletion.tree_ids(each) for each in sorted(old)}
        return [run_id for run_id, ids in trees.items() if old.issuperset(ids)]


def _pieces(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))
