"""Params of runs, and documents kept beside a run: datasets, models, deletion marks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class RunDocument:
    """A document beside a run, by kind and id: a data set that it read, a model that it made.

    `name`, `digest` and `context` can be searched by.
    """

    kind: str
    run_id: str
    id: str
    body: Mapping[str, Any]
    name: str = ""
    digest: str = ""
    context: str = ""


class Params(Protocol):
    def add(self, run_id: str, attempt: int, params: Mapping[str, str]) -> None:
        """Add them; raises ParamConflict (and changes nothing) if this attempt has one with another
        value. What an earlier attempt has left is replaced.
        """

    def of(self, attempts: Mapping[str, int]) -> dict[str, dict[str, str]]:
        """The params of these runs, of the attempt named."""


class Documents(Protocol):
    def put(self, records: Sequence[RunDocument]) -> None:
        """Keep them; what is there under the same kind, run and id is replaced."""

    def remove(self, kind: str, run_id: str, record_id: str) -> None: ...
    def of_runs(self, ids: Collection[str], kinds: Collection[str]) -> dict[str, list[RunDocument]]:
        """The records of these runs and kinds, oldest first."""

    def find(self, kind: str, ids: Collection[str]) -> dict[str, RunDocument]:
        """Records by their id, which is unique within a kind for those asked for like this."""

    def of_experiments(self, kind: str, experiments: Collection[str]) -> list[RunDocument]:
        """The records of all runs of these experiments, oldest first."""
