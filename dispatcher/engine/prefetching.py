"""Prefetching: short runs are sent to their node before it has room for them.

Where runs are short, most of a slot's time would pass between the end of one run and the start of
the next. So on targets whose nodes keep an admission queue, as many more runs are placed as take
SPAN seconds: the node starts each when it has room. While a parent waits on a target, nothing is
prefetched there, because the parent gets its slot back before all others. Nothing is stored about
it: which placed runs are ahead of their turn follows from what is placed
(`core.scheduling.requests.prefetched`).
"""

from dataclasses import replace

from dispatcher.core.scheduling.plan import Capacity

SHORT = 1.0  # seconds; longer runs are never prefetched
SPAN = 0.2  # seconds of work for each CPU that are prefetched
MOST = 16  # runs for each CPU
WEIGHT = 0.2  # of the last run in the mean duration


class Prefetching:
    """How long the runs of each target take, and how much of them is prefetched.

    Args:
        enabled: Off: a run is sent to a node only when there is room for it.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._durations: dict[str, float] = {}  # by target: mean seconds, the last runs count most
        self.spans: dict[str, float] = {}  # by target: seconds of work that its nodes have ahead

    def clear(self) -> None:
        """Forget all durations."""
        self._durations.clear()
        self.spans.clear()

    def note_duration(self, target: str, seconds: float) -> None:
        """A run there took so long."""
        mean = self._durations.get(target, seconds)
        self._durations[target] = mean + WEIGHT * (seconds - mean)

    def factor(self, target: str, present: Capacity, *, parents_wait: bool) -> int:
        """As how many of each of its CPUs the target counts, those ahead included; 1: none are."""
        seconds = self._durations.get(target, SHORT)
        if not self._enabled or not present.has_admission_queue or parents_wait:
            return 1
        if seconds >= SHORT:
            return 1
        return 1 + min(MOST, max(1, round(SPAN / max(seconds, 0.001))))

    def span(self, target: str, factor: int) -> float:
        """Seconds of work ahead, where the target counts by that factor."""
        return (factor - 1) * self._durations.get(target, SHORT)


def stretched(present: Capacity, factor: int) -> Capacity:
    """The capacity as it counts for placing."""
    if factor == 1:
        return present
    nodes = (replace(node, cpus=node.cpus * factor) for node in present.nodes)
    return replace(present, nodes=tuple(nodes))
