"""What a run asks of its target, as the scheduler sees it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dispatcher.core.reconciliation import NOT_STARTED
from dispatcher.core.runs.lifecycle import Run, Slot
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Capacity, Order, ResourceRequest


def default_gpus(config: Mapping[str, Any], capacity: Capacity | None) -> int | None:
    """The GPUs of a run that does not say how many: one on a target that has any.

    That is what v1's GPU clusters gave. None: not known yet, because the target never answered.
    """
    configured = config.get("default_gpus")
    if configured is not None:
        return int(configured)
    if config.get("gpus"):
        return 1
    if config.get("kind") == "ray" and capacity is None:
        return None
    return int(capacity is not None and any(node.gpus for node in capacity.nodes))


def request_of(spec: RunSpec, order: Order, gpus: int | None = None) -> ResourceRequest:
    """The request of a run that is to be placed; `gpus` counts where the run does not say."""
    return ResourceRequest(
        run_id=spec.id,
        target=spec.target,
        order=order,
        cpus=spec.cpus,
        gpus=(gpus if spec.gpus is None else spec.gpus) or 0,
        memory_mb=spec.memory_mb,
        members=spec.node_count,
    )


def queued_request(run: Run, gpus: int | None = None) -> ResourceRequest:
    """The request of a queued run: by priority, then by submission."""
    return request_of(run.spec, (1, -run.spec.priority, run.seq), gpus)


def slot_request(run: Run) -> ResourceRequest:
    """A parent whose wait is over asks for its CPUs back, on its own node."""
    node = run.placement[0].node if run.placement else None
    return ResourceRequest(
        run.id, run.spec.target, (0, -run.spec.priority, run.seq), cpus=run.spec.cpus, node=node
    )


def held_request(run: Run) -> ResourceRequest | None:
    """What a placed run keeps from others; None if nothing.

    A waiting parent lends its CPUs. Its GPUs and memory stay with it: a process that waits still
    holds them.
    """
    if not run.holds:
        return None
    request = queued_request(run)
    if run.slot is Slot.HELD:
        return request
    return ResourceRequest(
        run.id, run.spec.target, request.order, cpus=0, gpus=request.gpus,
        memory_mb=request.memory_mb, members=request.members,
    )  # fmt: skip


def prefetched(runs: Iterable[Run], capacity: Capacity) -> set[str]:
    """The runs whose jobs were sent ahead of their turn: those placed before leave them no CPUs.

    Args:
        runs: All that are placed on the target, in the order of their placing.
        capacity: What the target has now.
    """
    left = Counter({node.name: node.cpus for node in capacity.nodes})
    holders = [(run, request.cpus) for run in runs if (request := held_request(run)) is not None]
    for run, cpus in holders:
        if run.status not in NOT_STARTED:
            left.subtract({node: cpus * n for node, n in _members(run).items()})
    waiting, closed = set[str](), set[str]()
    for run, cpus in holders:
        if run.status in NOT_STARTED and cpus:
            members = _members(run)
            if any(node in closed or left[node] < cpus * n for node, n in members.items()):
                waiting.add(run.id)
                closed.update(members)
            else:
                left.subtract({node: cpus * n for node, n in members.items()})
    return waiting


def _members(run: Run) -> Counter[str]:
    return Counter(share.node for share in run.placement)
