"""A parent that waits for its children lends its slot, and takes it again with priority when the
wait is over.

Where that is not possible (lending is off at its target, or what its children need is a GPU that it
holds), a wait that can never end is refused at once, with the cycle named.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dispatcher.core.errors import Conflict, WaitCycle
from dispatcher.core.reconciliation import NOT_STARTED
from dispatcher.core.runs.lifecycle import (
    Run,
    Slot,
    SlotLent,
    SlotTaken,
    SlotWanted,
    Status,
    WaitNoted,
)
from dispatcher.core.runs.wait_cycles import Party, never_ending
from dispatcher.core.scheduling.plan import Capacity, ResourceRequest, Share
from dispatcher.core.scheduling.requests import held_request, queued_request
from dispatcher.core.sweeps.sweep import TYPE as SWEEP_TYPE
from dispatcher.services.catalog import TargetDirectory
from dispatcher.services.status import StatusService
from dispatcher.store.contract import Store, Transaction


class ParkingService:
    """Lends and returns the slots of waiting parents."""

    def __init__(self, store: Store, status: StatusService, targets: TargetDirectory) -> None:
        self._store = store
        self._status = status
        self._targets = targets

    def park(self, run_id: str, waits_for: Collection[str]) -> Run:
        """Note that the run waits for these, and lend its slot. Raises WaitCycle."""
        run = self._status.get(run_id)
        if run.status is not Status.RUNNING or run.spec.interactive:
            return run
        if run_id in waits_for:
            raise Conflict(f"run {run_id} cannot wait for itself")
        lends = self._lends(run)
        parties, total = self._store.read(lambda tx: self._situation(tx, run, waits_for, lends))
        cycle = never_ending(run_id, parties, total)
        if cycle:
            raise WaitCycle(cycle)
        wanted = tuple(sorted(waits_for))
        return self._status.record(run_id, SlotLent(wanted) if lends else WaitNoted(wanted))

    def unpark(self, run_id: str) -> Run:
        """The wait is over: ask for the slot back. It is there once `slot` reads held."""
        run = self._status.get(run_id)
        if run.slot is Slot.LENT and run.status is Status.RUNNING:
            return self._status.record(run_id, SlotWanted())
        if run.slot is Slot.HELD and run.waits_for and run.status is Status.RUNNING:
            return self._status.record(run_id, SlotTaken())
        return run

    def _lends(self, run: Run) -> bool:
        configs: dict[str, dict[str, Any]] = self._store.read(lambda tx: tx.registry.targets())
        return bool(configs.get(run.spec.target, {}).get("lend_slots", True))

    def _situation(
        self, tx: Transaction, waiter: Run, waits_for: Collection[str], lends: bool
    ) -> tuple[dict[str, Party], Mapping[str, Capacity]]:
        """All that runs, and what the waiter waits for, down to what those wait for."""
        runs = {run.id: run for run in tx.runs.owed() if not run.terminal}
        frontier = set(waits_for)
        while frontier:
            found = tx.runs.get(frontier)
            runs.update((k, run) for k, run in found.items() if not run.terminal)
            below = {other for run in found.values() for other in run.waits_for}
            frontier = below - runs.keys()
        for run_id in set(waits_for) & runs.keys():
            runs.update((run.id, run) for run in tx.runs.open_below(run_id))
        parties = {
            run.id: _party(run, starts=not self._may_be_prefetched(run))
            for run in runs.values()
            if not run.spec.interactive
        }
        sweeps = [run for run in runs.values() if run.spec.type == SWEEP_TYPE]
        parties.update((sweep.id, _sweep_party(sweep, runs.values())) for sweep in sweeps)
        mine = held_request(waiter) if not lends else _lent(waiter)
        parties[waiter.id] = Party(queued_request(waiter), waiter.placement, mine, tuple(waits_for))
        names = {party.request.target for party in parties.values()}
        known = {name: self._targets.capacity(name) for name in names}
        return parties, {name: capacity for name, capacity in known.items() if capacity is not None}

    def _may_be_prefetched(self, run: Run) -> bool:
        """Whether it may have been placed ahead of its turn: it is no nearer to a start by that."""
        present = self._targets.present(run.spec.target)
        return run.status in NOT_STARTED and present is not None and present.has_admission_queue


def _party(run: Run, *, starts: bool) -> Party:
    placed = run.placement if run.holds and starts else ()
    return Party(queued_request(run), placed, held_request(run), run.waits_for)


def _sweep_party(sweep: Run, runs: Iterable[Run]) -> Party:
    """A sweep holds nothing, and ends when its trials have ended."""
    trials = tuple(run.id for run in runs if run.spec.parent_id == sweep.id)
    return Party(queued_request(sweep), (Share(""),), None, trials)


def _lent(run: Run) -> ResourceRequest | None:
    return held_request(replace(run, slot=Slot.LENT))
