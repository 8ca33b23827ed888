"""Who runs where, decided from a snapshot: `plan(queue, free, total) -> Plan`.

Rules, in this order:

1. Runs are taken by (priority, submission); a parent that wants its lent slot back comes before all
   others.
2. What fits is placed, on the node that is left fullest (so that large requests find room
   elsewhere).
3. What does not fit holds back the free resources that it needs, so smaller runs behind it cannot
   starve it; they may use only what it does not hold back (backfill that does not delay the head).
4. A gang is placed whole or not at all. Its members may share a node if the node has the room.
5. What is larger than all of its target is refused, with the reason.

The cost is that of the runs looked at: it stops at a target once nothing is left to give there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

Order = tuple[
    int, int, int
]  # (0 wants its slot back | 1, -priority, submission number): unique, lowest first


@dataclass(frozen=True)
class Node:
    """What one host has, or has left. Devices are ids: Docker's `count=1` would always pick the
    first.
    """

    name: str
    cpus: float = 0
    gpus: tuple[str, ...] = ()
    memory_mb: int | None = None  # None: not counted


@dataclass(frozen=True)
class Capacity:
    """What a target has, or has left, by node.

    `has_admission_queue`: its nodes take jobs ahead of their turn, and start each when it has room.
    """

    nodes: tuple[Node, ...] = ()
    has_admission_queue: bool = False

    def describe(self) -> str:
        gpus = sum(len(node.gpus) for node in self.nodes)
        return f"{_number(sum(node.cpus for node in self.nodes))} CPU and {gpus} GPU"


@dataclass(frozen=True)
class ResourceRequest:
    """What one run asks for: `members` times (cpus, gpus, memory), each on one node."""

    run_id: str
    target: str
    order: Order
    cpus: float = 1
    gpus: int = 0
    memory_mb: int | None = None
    members: int = 1
    node: str | None = None  # only there: a parent that wants its slot back

    def describe(self) -> str:
        each = f"{_number(self.cpus)} CPU" + (f", {self.gpus} GPU" if self.gpus else "")
        each += f", {self.memory_mb} MB" if self.memory_mb else ""
        return each if self.members == 1 else f"{self.members} x ({each})"


@dataclass(frozen=True)
class Share:
    """What one member of a run gets: a node, and devices of it."""

    node: str
    gpus: tuple[str, ...] = ()


Placement = tuple[Share, ...]


@dataclass(frozen=True)
class Plan:
    """What to do about a queue; the reasons are what `dispatcher run explain` says."""

    placements: Mapping[str, Placement]
    waiting: Mapping[str, str]
    refused: Mapping[str, str]


def fits(node: Node, request: ResourceRequest) -> bool:
    """Whether one member of the request has room on the node."""
    memory = node.memory_mb is None or (request.memory_mb or 0) <= node.memory_mb
    return (
        request.cpus <= node.cpus
        and request.gpus <= len(node.gpus)
        and memory
        and request.node in (None, node.name)
    )


def take(node: Node, request: ResourceRequest) -> Node:
    """The node less one member of the request; less than nothing is nothing."""
    memory = None if node.memory_mb is None else max(0, node.memory_mb - (request.memory_mb or 0))
    return Node(node.name, max(0, node.cpus - request.cpus), node.gpus[request.gpus :], memory)


def place(
    nodes: Mapping[str, Node], request: ResourceRequest
) -> tuple[Placement, dict[str, Node]] | None:
    """Find room for the whole request; None when there is not enough for all members."""
    left, shares = dict(nodes), list[Share]()
    for _ in range(request.members):
        room = [node for node in left.values() if fits(node, request)]
        if not room:
            return None
        best = min(room, key=lambda node: (len(node.gpus), node.cpus, node.name))
        shares.append(Share(best.name, best.gpus[: request.gpus]))
        left[best.name] = take(best, request)
    return tuple(shares), left


def hold_back(
    nodes: Mapping[str, Node], total: Mapping[str, Node], request: ResourceRequest
) -> dict[str, Node]:
    """What is left to others while the request waits for the nodes on which it can fit."""
    left = dict(nodes)
    able = [name for name, node in total.items() if name in left and fits(node, request)]
    able.sort(key=lambda name: (-len(left[name].gpus), -left[name].cpus, name))
    for member in range(min(request.members, len(able)) if able else 0):
        left[able[member]] = take(left[able[member]], request)
    return left


def plan(
    queue: Iterable[ResourceRequest],
    free: Mapping[str, Capacity],
    total: Mapping[str, Capacity],
    *,
    reasons: bool = True,
) -> Plan:
    """Place what fits, in order; say of every other why it waits, or why it never can run.

    `queue` must be sorted by `order` within each target. A target that is in neither mapping
    refuses nothing: its runs wait, because it may come back. Without `reasons` the texts of those
    that wait are empty: to write them takes longer than to decide.
    """
    ever = _Ever(total)
    left = {name: {node.name: node for node in have.nodes} for name, have in free.items()}
    placements, waiting, refused = dict[str, Placement](), dict[str, str](), dict[str, str]()
    for request in queue:
        target = request.target
        if target not in total or target not in left:
            waiting[request.run_id] = f"{target} does not answer"
            continue
        if request.node is None and not ever.fits(request):
            has = total[target].describe()
            refused[request.run_id] = f"needs {request.describe()}; all of {target} has {has}"
            continue
        is_full = _is_full(left[target], request)
        found = None if is_full else place(left[target], request)
        if found:
            placements[request.run_id], left[target] = found
            continue
        waiting[request.run_id] = _reason(left[target], request) if reasons else ""
        if not is_full:
            left[target] = hold_back(left[target], ever.nodes[target], request)
    return Plan(placements, waiting, refused)


class _Ever:
    """Whether requests fit an empty target. Many ask for the same, and one answer does for them."""

    def __init__(self, total: Mapping[str, Capacity]) -> None:
        self.nodes = {
            name: {node.name: node for node in have.nodes} for name, have in total.items()
        }
        self._known: dict[tuple[object, ...], bool] = {}

    def fits(self, request: ResourceRequest) -> bool:
        kind = (request.target, request.cpus, request.gpus, request.memory_mb, request.members)
        if kind not in self._known:
            self._known[kind] = place(self.nodes[request.target], request) is not None
        return self._known[kind]


def _reason(left: Mapping[str, Node], request: ResourceRequest) -> str:
    has = Capacity(tuple(left.values())).describe()
    return f"needs {request.describe()}; {request.target} has {has} free for it"


def _is_full(nodes: Mapping[str, Node], request: ResourceRequest) -> bool:
    """Whether there is no CPU left for anyone who needs one: then nothing more need be weighed."""
    return request.cpus > 0 and all(node.cpus <= 0 for node in nodes.values())


def nothing_left(capacity: Capacity) -> bool:
    """Whether no run at all could be placed there, so that looking at its queue is in vain."""
    return all(node.cpus <= 0 for node in capacity.nodes)


def subtract(total: Capacity, held: Iterable[tuple[Placement, ResourceRequest]]) -> Capacity:
    """What is free: everything, less what each holder was given. Devices by id, so no two share
    one.
    """
    nodes = {node.name: node for node in total.nodes}
    for placement, request in held:
        for share in placement:
            node = nodes.get(share.node)
            if node is None:
                continue  # that node is gone from the target
            gpus = tuple(gpu for gpu in node.gpus if gpu not in share.gpus)
            nodes[share.node] = replace(take(node, replace(request, gpus=0)), gpus=gpus)
    return Capacity(tuple(nodes.values()))


def _number(value: float) -> str:
    return f"{value:g}"
