"""Properties of `plan`: no server, no clock, no mocks."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.scheduling.plan import (
    Capacity,
    Node,
    Plan,
    ResourceRequest,
    place,
    plan,
    subtract,
)

TOTAL = {
    "cpu": Capacity((Node("a", 8, memory_mb=1000),)),
    "gpu": Capacity((Node("n1", 16, ("0", "1", "2", "3")), Node("n2", 16, ("0", "1", "2", "3")))),
}
queues = st.lists(
    st.builds(
        ResourceRequest,
        run_id=st.uuids().map(str),
        target=st.sampled_from(sorted(TOTAL)),
        order=st.tuples(st.just(1), st.integers(-2, 0), st.integers(0, 10**6)),
        cpus=st.integers(0, 20).map(float),
        gpus=st.integers(0, 5),
        memory_mb=st.none() | st.integers(1, 1200),
        members=st.integers(1, 3),
    ),
    unique_by=(lambda r: r.run_id, lambda r: r.order),
    max_size=30,
).map(lambda queue: sorted(queue, key=lambda r: r.order))


def by_id(queue: list[ResourceRequest]) -> dict[str, ResourceRequest]:
    return {request.run_id: request for request in queue}


def whole(made: Plan) -> set[str]:
    return made.placements.keys() | made.waiting.keys() | made.refused.keys()


@given(queues)
def test_every_run_is_placed_or_told_why_not(queue: list[ResourceRequest]) -> None:
    made = plan(queue, TOTAL, TOTAL)

    assert whole(made) == {request.run_id for request in queue}
    assert len(made.placements) + len(made.waiting) + len(made.refused) == len(queue)


@given(queues)
def test_nothing_is_given_twice_nor_beyond_what_there_is(queue: list[ResourceRequest]) -> None:
    made, requests = plan(queue, TOTAL, TOTAL), by_id(queue)
    for target, capacity in TOTAL.items():
        for node in capacity.nodes:
            mine = [
                (requests[run_id], share)
                for run_id, shares in made.placements.items()
                for share in shares
                if requests[run_id].target == target and share.node == node.name
            ]
            gpus = [gpu for _, share in mine for gpu in share.gpus]
            assert len(gpus) == len(set(gpus))
            assert set(gpus) <= set(node.gpus)
            assert sum(request.cpus for request, _ in mine) <= node.cpus
            if node.memory_mb is not None:
                assert sum(request.memory_mb or 0 for request, _ in mine) <= node.memory_mb


@given(queues)
def test_a_gang_is_placed_whole_with_its_devices(queue: list[ResourceRequest]) -> None:
    made, requests = plan(queue, TOTAL, TOTAL), by_id(queue)
    for run_id, shares in made.placements.items():
        assert len(shares) == requests[run_id].members
        assert all(len(share.gpus) == requests[run_id].gpus for share in shares)


@given(queues)
def test_a_run_waits_only_for_those_before_it(queue: list[ResourceRequest]) -> None:
    """What waits would fit if those before it (running or waiting) were gone: nobody behind it
    matters.
    """
    made = plan(queue, TOTAL, TOTAL)
    for run_id in made.waiting:
        alone = plan([by_id(queue)[run_id]], TOTAL, TOTAL)
        assert run_id in alone.placements


@given(queues)
def test_taking_away_those_behind_changes_nothing_for_those_before(
    queue: list[ResourceRequest],
) -> None:
    made = plan(queue, TOTAL, TOTAL)
    half = plan(queue[: len(queue) // 2], TOTAL, TOTAL)
    for request in queue[: len(queue) // 2]:
        assert made.placements.get(request.run_id) == half.placements.get(request.run_id)


@given(queues)
def test_refused_is_exactly_what_can_never_fit(queue: list[ResourceRequest]) -> None:
    made = plan(queue, TOTAL, TOTAL)
    for request in queue:
        nodes = {node.name: node for node in TOTAL[request.target].nodes}
        assert (request.run_id in made.refused) == (place(nodes, request) is None)


@given(queues)
def test_what_was_placed_is_gone_from_what_is_free_and_comes_back(
    queue: list[ResourceRequest],
) -> None:
    made, requests = plan(queue, TOTAL, TOTAL), by_id(queue)
    for target, capacity in TOTAL.items():
        held = [
            (p, requests[r]) for r, p in made.placements.items() if requests[r].target == target
        ]
        free = subtract(capacity, held)
        assert {n.name for n in free.nodes} == {n.name for n in capacity.nodes}
        assert subtract(capacity, []) == capacity
        given_out = {(s.node, g) for p, _ in held for s in p for g in s.gpus}
        left = {(n.name, g) for n in free.nodes for g in n.gpus}
        assert not given_out & left
        assert given_out | left == {(n.name, g) for n in capacity.nodes for g in n.gpus}


def request(name: str, n: int, **fields: object) -> ResourceRequest:
    return ResourceRequest(name, "gpu", (1, 0, n), **fields)  # type: ignore[arg-type]


def test_a_large_run_that_waits_is_not_starved_by_small_ones() -> None:
    total = {"gpu": Capacity((Node("n1", 16, ("0", "1", "2", "3")),))}
    free = {"gpu": Capacity((Node("n1", 10, ("2", "3")),))}
    queue = [request("large", 1, gpus=4), request("small", 2, gpus=1), request("cpu", 3)]

    made = plan(queue, free, total)

    assert set(made.waiting) == {"large", "small"}
    assert set(made.placements) == {"cpu"}  # it takes nothing that the large one needs
    assert "needs 1 CPU, 4 GPU; gpu has 10 CPU and 2 GPU free" in made.waiting["large"]


def test_who_wants_a_lent_slot_back_comes_first_and_stays_where_it_is() -> None:
    total = {"gpu": Capacity((Node("n1", 1), Node("n2", 1)))}
    back = ResourceRequest("parent", "gpu", (0, 0, 9), node="n2")
    queue = [back, request("child", 1), request("other", 2)]

    made = plan(queue, total, total)

    assert made.placements["parent"][0].node == "n2"
    assert made.placements["child"][0].node == "n1"
    assert "other" in made.waiting


def test_one_gpu_runs_fill_a_node_before_they_open_the_next() -> None:
    queue = [request("a", 1, gpus=1), request("b", 2, gpus=1), request("c", 3, gpus=4)]
    made = plan(queue, TOTAL, TOTAL)
    assert made.placements["a"][0].node == made.placements["b"][0].node
    assert "c" in made.placements
