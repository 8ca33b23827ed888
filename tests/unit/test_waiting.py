"""Waits that can never end are found, and only those."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.runs.wait_cycles import Party, never_ending
from dispatcher.core.scheduling.plan import Capacity, Node, ResourceRequest, Share

ONE = {"t": Capacity((Node("n", 1),))}


def request(name: str) -> ResourceRequest:
    return ResourceRequest(name, "t", (1, 0, 0))


def running(name: str, waits_for: tuple[str, ...] = (), *, lent: bool = False) -> Party:
    held = ResourceRequest(name, "t", (1, 0, 0), cpus=0 if lent else 1)
    return Party(request(name), (Share("n"),), held, waits_for)


def queued(name: str) -> Party:
    return Party(request(name))


def test_a_parent_that_holds_the_only_slot_cannot_wait_for_its_child() -> None:
    parties = {"parent": running("parent", ("child",)), "child": queued("child")}
    reason = never_ending("parent", parties, ONE)
    assert reason is not None
    assert "parent -> child -> parent" in reason
    assert "lend_slots" in reason


def test_with_its_slot_lent_it_can() -> None:
    parties = {"parent": running("parent", ("child",), lent=True), "child": queued("child")}
    assert never_ending("parent", parties, ONE) is None


def test_a_second_parent_closes_the_circle() -> None:
    two = {"t": Capacity((Node("n", 2),))}
    first = {"p1": running("p1", ("c1",)), "p2": running("p2"), "c1": queued("c1")}
    assert never_ending("p1", first, two) is None  # p2 may end and make room
    second = {**first, "p2": running("p2", ("c2",)), "c2": queued("c2")}
    assert never_ending("p2", second, two) is not None


def test_a_wait_for_what_has_ended_ends() -> None:
    assert never_ending("parent", {"parent": running("parent", ("gone",))}, ONE) is None


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 6))
def test_parents_that_wait_holding_their_slots_are_stuck_exactly_when_no_slot_is_left(
    slots: int, parents: int, idle: int
) -> None:
    parents = min(parents, slots)
    idle = min(idle, slots - parents)
    total = {"t": Capacity((Node("n", slots),))}
    parties = {f"p{k}": running(f"p{k}", (f"c{k}",)) for k in range(parents)}
    parties |= {f"c{k}": queued(f"c{k}") for k in range(parents)}
    parties |= {f"i{k}": running(f"i{k}") for k in range(idle)}
    stuck = never_ending("p0", parties, total) is not None
    assert stuck == (parents == slots)
