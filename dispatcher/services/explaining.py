"""Why a run is where it is, from the same plan that the engine makes."""

from dispatcher.core.runs.lifecycle import Run, Slot, Status
from dispatcher.core.scheduling.plan import plan, subtract
from dispatcher.core.scheduling.requests import (
    default_gpus,
    held_request,
    prefetched,
    queued_request,
    slot_request,
)
from dispatcher.core.scheduling.shared_gpus import gpu_names, sharing, without_gpus
from dispatcher.services.catalog import TargetDirectory
from dispatcher.store.contract import Store, Transaction

QUEUE_SHOWN = 1000


class ExplainService:
    """Answers `dispatcher run explain`."""

    def __init__(self, store: Store, targets: TargetDirectory) -> None:
        self._store = store
        self._targets = targets

    def explain(self, run: Run) -> str | None:
        """The reason why the run waits; None if it does not."""
        if run.not_responding_since is not None and not run.terminal:
            return (
                f"{run.spec.target} does not answer; the run counts as alive until its end is known"
            )
        if run.status is Status.QUEUED or run.slot is Slot.WANTED:
            return self._store.read(lambda tx: self._queued(tx, run))
        if run.slot is Slot.LENT:
            names = ", ".join(run.waits_for[:3])
            return f"waits for {len(run.waits_for)} runs ({names}); its slot is lent"
        if run.status is Status.PROVISIONING:
            return self._store.read(lambda tx: self._placed(tx, run))
        if run.status is Status.PREPARING:
            name = run.spec.environment.name if run.spec.environment else ""
            return f"its environment {name} is being built on {run.placement[0].node}"
        if run.status is Status.CANCEL_REQUESTED:
            return "being stopped: its processes have their grace period to end"
        return None

    def _placed(self, tx: Transaction, run: Run) -> str:
        where = ", ".join(share.node for share in run.placement)
        present = self._targets.present(run.spec.target)
        if present is not None and present.has_admission_queue:
            placed = tx.runs.owed(target=run.spec.target)
            if run.id in prefetched(placed, present):
                return f"prefetched to {where}: it starts as soon as there is room"
        gpus = ", ".join(gpu for share in run.placement for gpu in share.gpus)
        if gpus:
            return f"placed on {where}, starting once no other job of that machine uses GPU {gpus}"
        return f"placed on {where}, starting"

    def _queued(self, tx: Transaction, run: Run) -> str:
        target = run.spec.target
        if target not in tx.registry.targets():
            return f"compute target {target!r} is not attached any more"
        capacity, present = self._targets.capacity(target), self._targets.present(target)
        if capacity is None or present is None:
            return f"{target} does not answer"
        placed = tx.runs.owed(target=target)
        held_now = [(r.placement, request) for r in placed if (request := held_request(r))]
        ahead = tx.runs.queue(target, QUEUE_SHOWN)
        returning = [slot_request(r) for r in placed if r.slot is Slot.WANTED]
        configs = tx.registry.targets()
        others = [r for other in sharing(target, configs) for r in tx.runs.owed(target=other)]
        holders = {
            gpu: r for r in others if r.holds for s in r.placement for gpu in gpu_names(s.gpus)
        }
        free = {target: without_gpus(subtract(present, held_now), holders)}
        gpus = default_gpus(configs[target], capacity)
        queue = [*returning, *(queued_request(other, gpus) for other in ahead)]
        made = plan(queue, free, {target: capacity})
        position = next((k for k, other in enumerate(ahead) if other.id == run.id), None)
        reason = made.waiting.get(run.id) or made.refused.get(run.id)
        if reason is None and run.id in made.placements:
            return "about to be placed"
        if reason and run.spec.gpus and holders:
            held = ", ".join(f"{gpu} by {r.id} on {r.spec.target}" for gpu, r in holders.items())
            reason = f"{reason} (GPUs that other targets of the machine use: {held})"
        before = f"more than {QUEUE_SHOWN}" if position is None else str(position)
        return f"{reason or 'waits its turn'}; {before} runs are before it in the queue of {target}"
