"""How one of several services leads, and how the loops of the leader stay alive."""

import logging
import threading
from collections.abc import Callable

from dispatcher.core.errors import DispatcherError
from dispatcher.services.status import Fence, Fenced
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.leases.contract import Holder, LeaseState

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds before a loop is started again
LEASE = "engine"
LEASE_SECONDS = 10.0
ABANDONED = 2 * LEASE_SECONDS  # of the observer's monotonic clock, without a renewal


class Leadership:
    """Takes and renews the engine's lease.

    A lease runs out by the wall clock. Should a clock step back, one that nobody renews would seem
    to be held for as long as the step: so a lease that was not renewed for ABANDONED seconds of the
    observer's own monotonic clock is taken over all the same.

    Args:
        store: Where the lease is kept.
        holder: Under which name it is taken.
        clock: Seconds since the epoch.
        ticks: Monotonic seconds.
        why_not: Why this process must not lead; empty when it may.
    """

    def __init__(
        self,
        store: Store,
        holder: Holder,
        clock: Callable[[], float],
        ticks: Callable[[], float],
        why_not: Callable[[Transaction], str],
    ) -> None:
        self._store, self._holder, self._why_not = store, holder, why_not
        self._clock, self._ticks = clock, ticks
        self._observed: tuple[LeaseState | None, float] = (None, ticks())
        self._reason = ""
        self.fence: Fence | None = None

    def renew(self) -> bool:
        """Take the lease or hold it on; whether this process leads."""
        now = self._clock()
        state, since = self._observed
        abandoned = state if self._ticks() - since >= ABANDONED else None

        def work(tx: Transaction) -> tuple[int | None, LeaseState | None, str]:
            reason = self._why_not(tx)
            if reason:
                return None, None, reason
            token = tx.leases.acquire(
                LEASE, self._holder, now=now, ttl=LEASE_SECONDS, abandoned=abandoned
            )
            return token, tx.leases.state(LEASE), ""

        token, current, reason = self._store.write(work)
        if current != state:
            self._observed = (current, self._ticks())
        if reason and reason != self._reason:
            log.warning("this service does not drive runs: %s", reason)
        self._reason = reason
        self.fence = None if token is None else Fence(LEASE, token)
        return token is not None


def supervise(
    name: str, lead: Callable[[], None], stopping: threading.Event, log: logging.Logger
) -> None:
    """Call `lead` until `stopping` is set. It returns when its leadership ends."""
    while not stopping.is_set():
        try:
            lead()
        except Fenced:
            log.warning("another process has taken over the %s", name)
        except DispatcherError:
            log.warning("the %s restarts", name, exc_info=True)
        except Exception:
            log.exception("the %s restarts", name)
        stopping.wait(PAUSE)
