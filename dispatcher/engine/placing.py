"""Who is placed now: the queue's head and the free resources of each target, handed to `plan`.

Where runs are short, most of a slot's time would go by between the end of one run and the start of
the next. So on targets whose nodes can queue, as much more is placed *ahead* as takes SPAN to run:
the node starts each when it has room. Nothing is placed ahead while a parent there waits, because
it gets its slot back before all others.
"""

from collections.abc import Iterable
from dataclasses import replace

from dispatcher.core.lifecycle import Run, Slot, Status
from dispatcher.core.scheduling import Capacity, Plan, nothing_left, plan, subtract
from dispatcher.engine.fleet import Fleet
from dispatcher.engine.ledger import Ledger
from dispatcher.engine.window import SIZE, Window
from dispatcher.services.requests import default_gpus, held, in_line, queued, slot_back
from dispatcher.store.contract import Store

# Looked at beyond what fills the target: smaller ones that may use what the first cannot.
LOOK_PAST = 32
SHORT = 1.0  # seconds; longer runs are never placed ahead
SPAN = 0.2  # seconds of work for each CPU that are placed ahead
MOST_AHEAD = 16  # runs for each CPU
RECENT = 0.2  # the weight of the last run in the mean duration


class Placer:
    """Keeps a window on each target's queue."""

    def __init__(self, store: Store, fleet: Fleet, ledger: Ledger) -> None:
        self._store, self._fleet, self._ledger = store, fleet, ledger
        self._windows: dict[str, Window] = {}
        self._dirty: set[str] = set()
        self._seconds: dict[str, float] = {}  # by target: how long its runs take of late
        # Targets whose nodes have work ahead while more is to come, and how many seconds of it.
        self.ahead: dict[str, float] = {}

    def clear(self) -> None:
        self._windows.clear()
        self._seconds.clear()

    def look(self) -> None:
        """Read the head of every queue anew."""
        targets = self._store.read(lambda tx: tx.runs.queued_targets()) | self._windows.keys()
        for target in targets:
            self._fill(target)
            self._dirty.add(target)

    def offer(self, run: Run) -> None:
        """Follow a committed run."""
        target = run.spec.target
        if run.spec.interactive:
            return
        if target not in self._windows and run.status is Status.QUEUED:
            self._windows[target] = Window()
        if target in self._windows:
            self._windows[target].offer(run)
        self._dirty.add(target)

    def freed(self, target: str) -> None:
        """Something of the target may have become free."""
        self._dirty.add(target)

    def drop(self, run: Run) -> None:
        """A run that is about to be placed, or refused, is queued no more."""
        window = self._windows.get(run.spec.target)
        if window is not None:
            window.drop(run.id)

    def queued_run(self, target: str, run_id: str) -> Run | None:
        return next((run for run in self._windows.get(target, ()) if run.id == run_id), None)

    def took(self, target: str, seconds: float) -> None:
        """A run there has taken so long."""
        mean = self._seconds.get(target, seconds)
        self._seconds[target] = mean + RECENT * (seconds - mean)

    def line(self, target: str) -> dict[str, float]:
        """The runs that are placed there ahead of their turn, and the CPUs that they have to share
        with what runs.
        """
        present = self._fleet.present(target)
        if present is None or not present.has_admission_queue:
            return {}
        cpus = {node.name: node.cpus for node in present.nodes}
        line = in_line(self._ledger.of_target(target), present)
        placed = (run for run in self._ledger.of_target(target) if run.id in line)
        return {run.id: cpus.get(run.placement[0].node, 0.0) for run in placed}

    def plans(self) -> Iterable[tuple[Plan, dict[str, Run]]]:
        """A plan for each target at which something has changed since the last call."""
        dirty, self._dirty = self._dirty, set()
        self.ahead = {target: span for target, span in self.ahead.items() if target not in dirty}
        for target in dirty:
            present, capacity = self._fleet.present(target), self._fleet.capacity(target)
            if present is None or capacity is None:
                continue
            window = self._windows.get(target)
            if window is None or window.low:
                window = self._fill(target)
            returning = [r for r in self._ledger.of_target(target) if _wants_slot(r)]
            times = self._times(target, present)
            stretched = _stretched(present, times)
            free = self._free(target, stretched)
            if (not len(window) and not returning) or (
                nothing_left(free) and not window.weightless
            ):
                continue
            head = _until_full(window, free)
            runs = {run.id: run for run in [*returning, *head]}
            gpus = default_gpus(self._fleet.config(target), capacity)
            queue = [*map(slot_back, returning), *(queued(run, gpus) for run in head)]
            made = plan(queue, {target: free}, {target: capacity}, reasons=False)
            if times > 1 and len(made.placements) < len(window):
                self.ahead[target] = (times - 1) * self._seconds[target]
            yield made, runs

    def _times(self, target: str, present: Capacity) -> int:
        """As how many of each of its CPUs a target counts: those placed ahead share them."""
        seconds = self._seconds.get(target, SHORT)
        if not present.has_admission_queue or seconds >= SHORT or self._ledger.parents_wait(target):
            return 1
        return 1 + min(MOST_AHEAD, max(1, round(SPAN / max(seconds, 0.001))))

    def _free(self, target: str, capacity: Capacity) -> Capacity:
        holders = ((run.placement, held(run)) for run in self._ledger.of_target(target))
        return subtract(capacity, [(placed, request) for placed, request in holders if request])

    def _fill(self, target: str) -> Window:
        window = self._windows.setdefault(target, Window())
        window.fill(self._store.read(lambda tx: tx.runs.queue(target, SIZE)))
        return window


def _stretched(present: Capacity, times: int) -> Capacity:
    nodes = (replace(node, cpus=node.cpus * times) for node in present.nodes)
    return present if times == 1 else Capacity(tuple(nodes))


def _wants_slot(run: Run) -> bool:
    return run.slot is Slot.WANTED and run.status is Status.RUNNING


def _until_full(window: Window, free: Capacity) -> list[Run]:
    """No more of the queue than could ever be placed in one go: the rest waits behind these anyway.

    Runs without CPUs are not bounded by them: with such in the queue, all of it is looked at.
    """
    if window.weightless:
        return list(window)
    room, head = sum(node.cpus for node in free.nodes), list[Run]()
    for run in window:
        head.append(run)
        room -= run.spec.cpus * run.spec.node_count
        if room <= 0 and len(head) >= LOOK_PAST:
            break
    return head
