"""What the Ray target makes of a node table, and when it takes a node's jobs to be over."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.ray.node_description import LeaseTerms, describe, name_of

ID = "d3910b888365be60da2554f7b1f8ec00e698e1a5bdd762615ca33fe0"
leases = st.floats(1, 3600)


def record(**resources: float) -> dict[str, object]:
    return {"NodeID": ID, "NodeManagerAddress": "10.0.0.1", "Resources": resources}


def test_a_node_without_cpus_and_gpus_is_none_of_ours() -> None:
    assert describe(record(memory=1e9)) is None
    assert describe({**record(), "Resources": None}) is None


def test_a_node_has_what_ray_has_there() -> None:
    found = describe(record(CPU=4.0, GPU=2.0, memory=2.0**30))

    assert found is not None
    assert (found.cpus, found.gpus, found.memory_mb, found.address) == (4.0, 2, 1024, "10.0.0.1")


@pytest.mark.parametrize(
    ("labels", "name"),
    [(None, "d3910b888365"), ({"node": "n0"}, "n0-d3910b"), ({"x": "y"}, "d3910b888365")],
)
def test_a_name_is_of_one_life_of_a_node(labels: dict[str, str] | None, name: str) -> None:
    assert name_of({"NodeID": ID, "Labels": labels}) == name


@given(lease=leases, begun=st.floats(0, 1e6))
def test_an_agent_has_let_go_before_its_node_is_given_up(lease: float, begun: float) -> None:
    terms = LeaseTerms(lease)
    latest_renewal = begun + terms.slack  # of a confirmation that was as old as may be
    tick = 1.0

    assert latest_renewal + terms.inner + tick < terms.over_at(begun, begun)


@given(lease=leases, silence=st.floats(0, 1e4))
def test_a_node_that_may_have_asked_the_cluster_is_given_up_later(
    lease: float, silence: float
) -> None:
    terms = LeaseTerms(lease)
    over = terms.over_at(0.0, silence)

    assert over >= lease
    if silence >= terms.patience:  # until then the cluster may have said that it is alive
        assert over >= silence + lease


def test_of_a_node_that_was_never_heard_the_last_word_is_the_clusters() -> None:
    assert LeaseTerms(10).over_at(-math.inf, 100) == pytest.approx(112)


@given(lease=leases)
def test_a_bridge_is_heard_often_enough(lease: float) -> None:
    terms = LeaseTerms(lease)

    assert 0 < terms.beat < terms.slack < terms.patience <= terms.inner
