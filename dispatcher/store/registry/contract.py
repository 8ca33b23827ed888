"""Experiments, compute targets and facts of the installation."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Experiment:
    id: str
    name: str
    created_at: float
    tags: Mapping[str, str | None] = field(default_factory=dict)
    archived_at: float | None = None


class Registry(Protocol):
    def experiment(self, name: str, *, now: float, new_id: str | None = None) -> Experiment:
        """Get or create, then under `new_id` or a fresh id."""

    def experiments(self) -> list[Experiment]: ...
    def find_experiments(self, names: Collection[str]) -> dict[str, Experiment]:
        """Those of these names that are there, by name."""

    def experiment_by_id(self, experiment_id: str) -> Experiment | None: ...
    def put_experiment(self, experiment: Experiment) -> None:
        """Replace its tags and when it was archived."""

    def delete_experiment(self, name: str) -> None: ...
    def targets(self) -> dict[str, dict[str, Any]]: ...
    def put_target(self, name: str, config: Mapping[str, Any]) -> None: ...
    def delete_target(self, name: str) -> bool: ...
    def lock(self, name: str) -> None:
        """Keep other transactions that ask for the same lock waiting until the commit."""

    def meta(self, key: str, default: str) -> str:
        """A fact of this installation; stored as `default` the first time."""

    def find_meta(self, key: str) -> str | None:
        """A fact of this installation, if it is recorded."""

    def delete_meta(self, key: str) -> None: ...
    def put_meta(self, key: str, value: str) -> None:
        """Change such a fact."""
