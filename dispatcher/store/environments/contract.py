"""Registered environments and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class RegisteredEnvironment:
    """One version of an environment, by what it says in v1's words.

    Attributes:
        registered_by: The actor that registered it: `user:ada`, `run:abc`.
        submitter: The user or service account that answers for it.
        moves_latest: Whether it counts when the latest version is asked for
            (`services.environments`).
    """

    name: str
    version: int
    digest: str
    definition: Mapping[str, Any]
    created_at: float
    registered_by: str = "user:owner"
    submitter: str = "owner"
    moves_latest: bool = True


class Environments(Protocol):
    def add(self, environment: RegisteredEnvironment) -> bool:
        """Keep it; False (and nothing is changed) if that version is there."""

    def find(self, name: str, version: int | None = None) -> RegisteredEnvironment | None:
        """One version of an environment, by default the latest."""

    def last(self, name: str) -> RegisteredEnvironment | None:
        """The version of the highest number, whether it counts as the latest or not."""

    def latest(self) -> list[RegisteredEnvironment]:
        """The latest version of each, by name."""

    def versions(self, name: str) -> list[RegisteredEnvironment]:
        """All versions of one, the latest first."""
