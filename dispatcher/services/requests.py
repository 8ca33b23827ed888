"""What a run asks of its target, as the scheduler sees it."""

from dispatcher.core.lifecycle import Run, Slot
from dispatcher.core.scheduling import Order, ResourceRequest
from dispatcher.core.spec import RunSpec


def request_of(spec: RunSpec, order: Order) -> ResourceRequest:
    """The request of a run that is to be placed."""
    return ResourceRequest(
        run_id=spec.id,
        target=spec.target,
        order=order,
        cpus=spec.cpus,
        gpus=spec.gpus or 0,
        memory_mb=spec.memory_mb,
        members=spec.node_count,
    )


def queued(run: Run) -> ResourceRequest:
    return request_of(run.spec, (1, -run.spec.priority, run.seq))


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
