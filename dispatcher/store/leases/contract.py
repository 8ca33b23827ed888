"""Leases with fencing tokens."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Holder:
    """Who takes a lease: a process of an instance, which is one data folder.

    A folder has one process at a time. So the process that held a lease for the same instance is
    gone, and its lease need not run out. The new process is another holder all the same: what the
    earlier one has still under way is fenced off.
    """

    instance: str
    process: str

    def __str__(self) -> str:
        return f"{self.instance}#{self.process}"

    def may_replace(self, holder: str) -> bool:
        """Whether that holder is an earlier process of the same instance."""
        return holder.rpartition("#")[0] == self.instance


@dataclass(frozen=True)
class LeaseState:
    """A lease as it is stored. `expires`: seconds since the epoch, by its holder's clock."""

    holder: str
    token: int
    expires: float


class Leases(Protocol):
    """Calls on leases, by name."""

    def acquire(
        self,
        name: str,
        holder: Holder,
        *,
        now: float,
        ttl: float,
        abandoned: LeaseState | None = None,
    ) -> int | None:
        """Take or renew a lease.

        Args:
            name: The lease.
            holder: Who takes it.
            now: Seconds since the epoch.
            ttl: For how many seconds it is held.
            abandoned: Take it although it has not run out, if this is still its state.

        Returns:
            Its fencing token; None while another instance holds it.
        """

    def state(self, name: str) -> LeaseState | None:
        """The lease as it is stored; None if nobody ever took it."""

    def fenced(self, name: str, token: int) -> bool:
        """Whether a lease with this token has been taken over by another."""
