"""Sweeps, as kept beside their runs."""

from collections.abc import Collection
from typing import Protocol

from dispatcher.core.sweeps.sweep import Sweep


class Sweeps(Protocol):
    def put(self, sweep: Sweep) -> None:
        """Keep it; what is there of the same run is replaced."""

    def get(self, ids: Collection[str]) -> dict[str, Sweep]:
        """The sweeps of these runs that are there."""

    def unfinished(self) -> dict[str, Sweep]:
        """All sweeps that are not over."""
