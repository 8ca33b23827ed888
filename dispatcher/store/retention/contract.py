"""What a store keeps of deleted runs.

A run is deleted in two steps. `delete` takes the run, its files and its sweep out of the store in
one transaction: from then on the run is gone for every reader. `purge` removes the rest (metrics,
labels, streams, documents, events) in small transactions, at any later time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.core.runs.lifecycle import Status


@dataclass(frozen=True)
class TreeRun:
    """A run of a tree, as far as its deletion asks for it.

    Attributes:
        id: The run.
        status: Its status.
        is_done: Whether it has ended and nothing of it is on a target.
    """

    id: str
    status: Status
    is_done: bool


@dataclass(frozen=True)
class DeletedRun:
    """A run that was deleted.

    Attributes:
        run_id: The run.
        at: When, in seconds since the epoch.
        by: The principal that deleted it.
        purge_due: From when on the rest of its rows is to be removed; None: all of it is removed.
    """

    run_id: str
    at: float
    by: str
    purge_due: float | None


EndedCursor = tuple[float, int]  # when a run ended, and its submission number


@dataclass(frozen=True)
class EndedRun:
    """A run at the top of its tree that has ended and is released."""

    id: str
    cursor: EndedCursor


class Deletions(Protocol):
    def tree(self, run_id: str) -> list[TreeRun]:
        """The run and all below it, in the order of their submission; empty if it is not there.

        Nobody else changes them, and none is added below them, until the commit.
        """

    def delete(
        self, ids: Collection[str], *, at: float, by: str, kept: Mapping[str, Collection[str]]
    ) -> None:
        """Take runs out of the store, with the names of their files and their sweeps.

        Args:
            ids: The runs.
            at: Seconds since the epoch.
            by: The principal that deletes them.
            kept: By run, paths of files and folders that stay: those of registered models.
        """

    def ended(
        self, before: float, after: EndedCursor | None, limit: int, experiment: str | None = None
    ) -> list[EndedRun]:
        """Runs at the top of their trees that ended before a moment, by their end.

        Args:
            before: Seconds since the epoch.
            after: The last one of the page before.
            limit: At most so many.
            experiment: Only those of that experiment.
        """

    def count_ended(self) -> int:
        """How many runs at the top of their trees have ended."""

    def marked(self, kind: str) -> dict[str, float]:
        """When the runs were marked that have a document of a kind with an `at` in its body."""

    def with_logs(self, before: float, limit: int) -> list[str]:
        """Runs that ended before a moment and have logs."""

    def drop_logs(self, ids: Collection[str]) -> None:
        """Forget that logs of these runs have come."""

    def find(self, ids: Collection[str]) -> dict[str, DeletedRun]:
        """Those of these runs that were deleted, by id."""

    def due(self, now: float, limit: int) -> list[DeletedRun]:
        """Deleted runs with rows that are to be removed, the oldest first."""

    def purge(self, ids: Sequence[str], *, limit: int, next_due: float | None) -> bool:
        """Remove the rest of the rows of deleted runs.

        Properties that record a registered model stay. The event of the deletion stays until the
        last purge (`next_due` None), because other processes may not have read it.

        Args:
            ids: The runs.
            limit: Metric points to remove at most in this transaction.
            next_due: What `purge_due` becomes once nothing is left.

        Returns:
            Whether nothing is left; otherwise call it again.
        """

    def forget(self, before: float) -> int:
        """Forget deleted runs of which nothing is left, deleted before a moment; how many."""


LogKey = tuple[str, int, str]  # run, attempt, stream


@dataclass(frozen=True)
class StoredSize:
    """How much the files and logs of a run, or of an experiment's runs, take.

    Attributes:
        name: The run's id, or the experiment's name.
        experiment: The experiment's name.
        files: Bytes of its files. Files of equal content are stored once, and count each here.
        logs: Bytes of its logs.
    """

    name: str
    experiment: str
    files: int
    logs: int


class References(Protocol):
    """What refers to contents and logs, and how large that is."""

    def artifacts(self, prefix: str) -> set[str]:
        """The hashes that start so, of all contents that are files of runs."""

    def snapshots(self) -> set[str]:
        """The ids of the snapshots that runs start or build from, or trials of open sweeps will."""

    def among(self, digests: Collection[str]) -> set[str]:
        """Those of these contents that are a file of a run, or a snapshot of one."""

    def logs(self, after: LogKey | None, limit: int) -> list[LogKey]:
        """The logs that have come, in a fixed order, from after one on."""

    def tree_sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """By run, the bytes of the files and logs of it and all below it, in the order given."""

    def total_size(self) -> int:
        """The bytes of the files and logs of all runs."""

    def largest_runs(self, limit: int) -> list[StoredSize]:
        """The runs whose files and logs are largest, the largest first."""

    def largest_experiments(self, limit: int) -> list[StoredSize]:
        """The experiments whose runs' files and logs are largest, the largest first."""
