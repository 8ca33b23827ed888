"""Leases with fencing tokens."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Holder:
    """Who takes a lease: a process, and the house that no other process is in while it lives.

    So whoever held a lease for the same house is gone, and its lease needs not run out. It is
    another holder all the same: what that one has still under way is fenced off.
    """

    house: str
    process: str

    def __str__(self) -> str:
        return f"{self.house}#{self.process}"

    def may_replace(self, held: str) -> bool:
        return held.rpartition("#")[0] == self.house


class Leases(Protocol):
    def acquire(self, name: str, holder: Holder, *, now: float, ttl: float) -> int | None:
        """Take or renew a lease; its fencing token, or None while another house holds it."""

    def fenced(self, name: str, token: int) -> bool:
        """Whether a lease with this token has been taken over by another."""
