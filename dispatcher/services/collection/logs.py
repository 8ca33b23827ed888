"""Logs without a run: a service was killed between a log's first bytes and its commit, or between
the deletion of a run and that of its logs.
"""

from collections.abc import Callable

from dispatcher.services.collection.collected import Collected, pieces
from dispatcher.store.content.blobs import Logs
from dispatcher.store.content.unused import HashedFiles, StoredFile
from dispatcher.store.contract import Store
from dispatcher.store.retention.contract import LogKey

PAGE = 10_000
AT_ONCE = 200


class LogCollector:
    """Deletes logs that no run has.

    Args:
        store: Which logs have come.
        logs: The logs.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, logs: Logs, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._files = HashedFiles(logs.folder)

    def recover(self) -> None:
        """Put back what a killed process has set aside."""
        self._files.restore_all()

    def collect(self, grace: float, *, dry_run: bool = False) -> Collected:
        """Delete logs that no run has and that nobody wrote to for `grace` seconds."""
        before = self._clock() - grace
        if not dry_run:
            self._files.restore_all()
        old = [
            file
            for prefix in self._files.prefixes()
            for file in self._files.list(prefix)
            if file.used_at < before
        ]
        known = self._known() if old else set()
        unused = [file for file in old if file.key not in known]
        if dry_run:
            return Collected.of(unused)
        found = Collected()
        for some in pieces(unused, AT_ONCE):
            found += Collected.of([file for file in some if self._delete(file, before)])
            self._files.sync({file.key[:2] for file in some})
        return found

    def _delete(self, file: StoredFile, before: float) -> bool:
        """Delete a log, unless somebody has written to it meanwhile."""
        used_at = self._files.set_aside(file.key)
        if used_at is None:
            return False
        if used_at >= before:
            self._files.restore(file.key)
            return False
        self._files.discard(file.key)
        return True

    def _known(self) -> set[str]:
        """The names of the files of all logs that have come."""
        names: set[str] = set()
        last: LogKey | None = None
        while page := self._store.read(lambda tx, after=last: tx.references.logs(after, PAGE)):  # type: ignore[misc]
            names.update(Logs.key(run, attempt, s.removeprefix("log:")) for run, attempt, s in page)
            last = page[-1]
        return names
