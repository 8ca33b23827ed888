"""What a run asks of its target, as the scheduler sees it."""

from collections.abc import Mapping
from typing import Any

from dispatcher.core.lifecycle import Run, Slot
from dispatcher.core.scheduling import Capacity, Order, ResourceRequest
from dispatcher.core.spec import RunSpec


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


def queued(run: Run, gpus: int | None = None) -> ResourceRequest:
    return request_of(run.spec, (1, -run.spec.priority, run.seq), gpus)


def slot_back(run: Run) -> ResourceRequest:
    """A parent whose wait is over asks for its CPUs, where it is."""
    node = run.placement[0].node if run.placement else None
    return ResourceRequest(
        run.id, run.spec.target, (0, -run.spec.priority, run.seq), cpus=run.spec.cpus, node=node
    )


def held(run: Run) -> ResourceRequest | None:
    """What a placed run keeps from others; None if nothing.

    A waiting parent lends its CPUs. Its GPUs and memory stay with it: a process that waits still
    holds them.
    """
    if not run.holds:
        return None
    request = queued(run)
    if run.slot is Slot.HELD:
        return request
    return ResourceRequest(
        run.id, run.spec.target, request.order, cpus=0, gpus=request.gpus,
        memory_mb=request.memory_mb, members=request.members,
    )  # fmt: skip
