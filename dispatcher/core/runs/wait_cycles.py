"""Waits that can never end: a parent that waits while it holds what its children need.

With lending on, a parent that waits holds no CPU slot, so none of this arises for CPUs. It arises
where lending is off and for GPUs, which are never lent (a process that waits still holds device
memory).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dispatcher.core.scheduling.plan import Capacity, Placement, ResourceRequest, place, subtract


@dataclass(frozen=True)
class Party:
    """An open run as the search sees it."""

    request: ResourceRequest
    placement: Placement = ()  # empty: it is queued
    holds: ResourceRequest | None = None  # what it keeps while it waits; None: nothing
    waits_for: Collection[str] = ()


def never_ending(
    waiter: str, parties: Mapping[str, Party], total: Mapping[str, Capacity]
) -> str | None:
    """Say why the wait of `waiter` can never end, naming the cycle; None if it can end.

    A run can end if it runs and waits for nothing, or waits only for runs that can end (runs not in
    `parties` have ended). A queued run can end if it fits once all that can end have ended. Whoever
    is left cannot.
    """
    stuck = set(parties)
    moved = True
    while moved and waiter in stuck:
        moved = False
        free = {target: _room(target, have, stuck, parties) for target, have in total.items()}
        for run_id in sorted(stuck):
            if _can_end(parties[run_id], stuck, free):
                stuck.discard(run_id)
                moved = True
    return None if waiter not in stuck else _name(waiter, stuck, parties)


def _room(
    target: str, have: Capacity, stuck: Collection[str], parties: Mapping[str, Party]
) -> Capacity:
    held = [
        (party.placement, party.holds)
        for run_id, party in parties.items()
        if run_id in stuck and party.request.target == target and party.placement and party.holds
        and party.waits_for
    ]  # fmt: skip
    return subtract(have, held)


def _can_end(party: Party, stuck: Collection[str], free: Mapping[str, Capacity]) -> bool:
    if party.placement:
        return not any(other in stuck for other in party.waits_for)
    capacity = free.get(party.request.target)
    if capacity is None:
        return True  # a target that is away may come back with anything
    return place({node.name: node for node in capacity.nodes}, party.request) is not None


def _name(waiter: str, stuck: Collection[str], parties: Mapping[str, Party]) -> str:
    """Walk the cycle: the waiter, the queued run it waits for, a stuck holder of that one's target,
    …
    """
    path, here = [waiter], waiter
    for _ in range(len(parties)):
        following = _next(here, stuck, parties)
        if following is None or following in path:
            path.append(following or waiter)
            break
        path.append(following)
        here = following
    request = (
        parties[path[1]].request
        if len(path) > 1 and path[1] in parties
        else parties[waiter].request
    )
    links = " -> ".join(path)
    return (
        f"this wait can never end: {links}. Run {request.run_id} needs {request.describe()} on "
        f"{request.target}, which is held by runs that wait themselves. Give it more slots, "
        f"send the children to another target, or let it lend slots (lend_slots)."
    )


def _next(here: str, stuck: Collection[str], parties: Mapping[str, Party]) -> str | None:
    party = parties[here]
    if party.placement:
        return next((other for other in sorted(party.waits_for) if other in stuck), None)
    holders: Sequence[str] = [
        run_id
        for run_id in sorted(stuck)
        if parties[run_id].placement and parties[run_id].request.target == party.request.target
    ]
    return holders[0] if holders else None
