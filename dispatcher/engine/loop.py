"""The engine: one thread that fetches, asks the pure functions, records in one commit, and then
acts.

A turn takes all that has come in (commits, observations, returned calls), asks `settle` about the
runs concerned and `plan` about the targets that have room, records everything in one commit, and
only then launches, stops or removes. So an intent is durable before it is acted on, and a kill
between the two is mended by the next look.

What comes in only makes it faster. Every `LOOK` seconds it looks at everything: all that is owed in
the store, all of it on its target. A run without an observation is left alone until there is one.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dispatcher.core.jobs import Job
from dispatcher.core.lifecycle import Event, Run
from dispatcher.engine.fleet import Called, Fleet, Message, Seen
from dispatcher.engine.leading import keep_leading
from dispatcher.engine.ledger import Ledger
from dispatcher.engine.placing import Placer
from dispatcher.engine.turn import Turn
from dispatcher.services.status import Fence, StatusService
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.leases.contract import Holder
from dispatcher.store.runs.contract import Change

log = logging.getLogger(__name__)

LOOK = 2.0
# Turns that follow each other closer than BURST are made fewer: each takes in what comes within
# GATHER, for one commit. A quarter of the service's work in a fan-out; a FEW runs never wait.
BURST = 0.020
GATHER = 0.003
GATHER_AHEAD = 0.050  # of what comes from nodes that have work ahead, while they have half of it
FEW = 2
LEASE = "engine"
LEASE_SECONDS = 10.0


@dataclass(frozen=True)
class Committed:
    """Runs that a commit of this process changed."""

    runs: Sequence[Run]


class Engine:
    """Drives all runs of an installation while it holds the lease."""

    def __init__(
        self,
        store: Store,
        status: StatusService,
        jobs_for: Callable[[Run], list[Job]],
        holder: Holder,
        clock: Callable[[], float],
        why_not: Callable[[Transaction], str] = lambda _tx: "",
    ) -> None:
        """`why_not` says why this engine must not lead; nothing when it may."""
        self._store, self._status = store, status
        self._holder, self._clock, self._why_not = holder, clock, why_not
        self._told = ""
        self._inbox: queue.SimpleQueue[Message | Committed | None] = queue.SimpleQueue()
        self._jobs_for = jobs_for
        self._fence: Fence | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.ledger = Ledger()
        self._lazy: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._turned_at = -BURST
        self._own: dict[str, int] = {}  # what this engine is committing: run id -> version
        store.subscribe(self._committed)

    def post(self, message: Message) -> None:
        """Hand over what was seen; any thread."""
        if isinstance(message, Called) and message.verb == "launch" and not message.failures:
            self._lazy.put(message)  # nothing follows from it by itself: no turn for that alone
        else:
            self._inbox.put(message)

    def start(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._placer = Placer(self._store, fleet, self.ledger)
        self._thread.start()

    @property
    def fence(self) -> Fence | None:
        """The lease under which it leads; None while it does not."""
        return self._fence

    def stop(self) -> None:
        """End the loop. What is running goes on; the next engine finds it."""
        self._stopping.set()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    def _committed(self, commit: Commit) -> None:
        """What the engine itself committed it knows already."""
        others = [run for run in commit.runs if self._own.get(run.id) != run.version]
        if others:
            self._inbox.put(Committed(others))

    def _run(self) -> None:
        keep_leading("engine", self._lead, self._stopping, log)

    def _lead(self) -> None:
        """Take the lease and drive until it is lost; everything in memory is made anew."""
        if not self._renew():
            return
        self.ledger.clear()
        self._placer.clear()
        looked = renewed = -LOOK * 1000
        while not self._stopping.is_set():
            now = time.monotonic()
            if now - renewed >= LEASE_SECONDS / 4:
                if not self._renew():
                    return
                renewed = now
            if now - looked >= LOOK:
                self._look()
                looked = now
            self._turn(self._gather(max(0.0, looked + LOOK - time.monotonic())))

    def _renew(self) -> bool:
        now = self._clock()

        def work(tx: Transaction) -> tuple[int | None, str]:
            reason = self._why_not(tx)
            if reason:
                return None, reason
            return tx.leases.acquire(LEASE, self._holder, now=now, ttl=LEASE_SECONDS), ""

        token, reason = self._store.write(work)
        if reason and reason != self._told:
            log.warning("runs are not driven from here: %s", reason)
        self._told = reason
        self._fence = None if token is None else Fence(LEASE, token)
        return token is not None

    def _gather(self, seconds: float) -> list[Message | Committed]:
        """Wait for something to come in, and take all that has."""
        items: list[Message | Committed] = []
        item = self._next(seconds)
        if item is not None:
            items.append(item)
            if self._is_burst():
                time.sleep(GATHER)
        items += self._at_hand()
        if items and all(map(self._can_wait, items)):
            patience = min(GATHER_AHEAD, min(self._placer.ahead.values(), default=0) / 2)
            items += self._meanwhile(time.monotonic() + patience)
        while not self._lazy.empty():
            items.insert(0, self._lazy.get())
        return items

    def _next(self, seconds: float) -> Message | Committed | None:
        """What comes next; None if nothing does in time, or the engine is to end."""
        try:
            return self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def _meanwhile(self, patience: float) -> list[Message | Committed]:
        """What comes in until then, for one commit instead of many; ends with what cannot wait."""
        items: list[Message | Committed] = []
        while item := self._next(patience - time.monotonic()):
            items.append(item)
            if not self._can_wait(item):
                break
        return items + self._at_hand()

    def _at_hand(self) -> list[Message | Committed]:
        items: list[Message | Committed] = []
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if item is not None:
                items.append(item)
        return items

    def _can_wait(self, item: Message | Committed) -> bool:
        """Whether nothing stands still for it: its node goes on with what it has ahead."""
        if isinstance(item, Seen):
            return bool(item.jobs) and item.target in self._placer.ahead
        return (
            isinstance(item, Called) and item.verb == "remove" and item.target in self._placer.ahead
        )

    def _is_burst(self) -> bool:
        if time.monotonic() - self._turned_at >= BURST:
            return False
        return self.ledger.is_crowded(FEW)

    def _look(self) -> None:
        """Look at everything, whatever was or was not heard."""
        self._fleet.refresh()
        self.ledger.replace(self._store.read(lambda tx: tx.runs.owed()))
        self._placer.look()
        for target, names in self.ledger.names_by_target().items():
            member = self._fleet[target]
            if member is not None:
                member.poll(names)

    def _turn(self, items: Sequence[Message | Committed]) -> None:
        turn = Turn(self.ledger, self._fleet, self._placer, self._clock())
        for item in items:
            if isinstance(item, Committed):
                for run in item.runs:
                    self._placer.offer(run)
                    turn.committed(run)
            else:
                turn.take(item)
        while True:
            moves = turn.moves()
            if not moves:
                break
            lost = self._record(moves, turn.now)
            fresh = self._status.get_many(list(lost)) if lost else {}
            turn.recorded(lost, fresh)
            if not lost:
                break
        turn.act(self._jobs_for)
        self._turned_at = time.monotonic()

    def _record(self, moves: Sequence[tuple[Run, Run, tuple[Event, ...]]], now: float) -> set[str]:
        changes = [Change(before, after, events, now) for before, after, events in moves]
        self._own = {after.id: after.version for _before, after, _events in moves}
        return self._status.record_all(changes, self._fence)
