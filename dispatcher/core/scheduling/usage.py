"""What the runs of one target hold, kept up to date run by run.

`Usage.free(total)` is `scheduling.subtract(total, held)` without a walk over all holders, so a plan
costs the same with a hundred placed runs as with a hundred thousand. CPUs are counted in
millionths, because sums of fractions would drift.
"""

from collections import Counter
from dataclasses import replace

from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.core.scheduling.requests import held_request

_UNITS = 1_000_000


class Usage:
    """CPUs, memory and devices in use, by node."""

    def __init__(self) -> None:
        self._cpus: Counter[str] = Counter()
        self._memory: Counter[str] = Counter()
        self._gpus: Counter[tuple[str, str]] = Counter()

    def copy(self) -> "Usage":
        """A usage that changes by itself."""
        twin = Usage()
        twin._cpus, twin._memory = self._cpus.copy(), self._memory.copy()
        twin._gpus = self._gpus.copy()
        return twin

    def add(self, run: Run) -> None:
        """Count what the run holds."""
        self._count(run, 1)

    def remove(self, run: Run) -> None:
        """Count it no more; the run must be as it was when it was added."""
        self._count(run, -1)

    def free(self, total: Capacity) -> Capacity:
        """What is left of a capacity; less than nothing is nothing."""
        return replace(total, nodes=tuple(map(self._left, total.nodes)), has_admission_queue=False)

    def gpus(self) -> set[str]:
        """The devices in use, of all nodes."""
        return {gpu for (_node, gpu), count in self._gpus.items() if count > 0}

    def _left(self, node: Node) -> Node:
        cpus = round(node.cpus * _UNITS) - self._cpus[node.name]
        memory = node.memory_mb
        if memory is not None:
            memory = max(0, memory - self._memory[node.name])
        gpus = tuple(gpu for gpu in node.gpus if not self._gpus[node.name, gpu])
        return Node(node.name, max(0, cpus) / _UNITS, gpus, memory)

    def _count(self, run: Run, sign: int) -> None:
        request = held_request(run)
        if request is None:
            return
        for share in run.placement:
            self._cpus[share.node] += sign * round(request.cpus * _UNITS)
            self._memory[share.node] += sign * (request.memory_mb or 0)
            for gpu in share.gpus:
                self._gpus[share.node, gpu] += sign
