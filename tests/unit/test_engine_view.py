"""What the engine knows: placed runs, what they hold, and what was observed of their jobs."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.runs.jobs import ABSENT, Observation, State
from dispatcher.core.runs.lifecycle import Placed, Run, SlotLent, Started, first, step
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Capacity, Node, Share, subtract
from dispatcher.core.scheduling.requests import held_request
from dispatcher.core.scheduling.usage import Usage
from dispatcher.engine.job_states import JobStates
from dispatcher.engine.messages import Observed
from dispatcher.engine.view import EngineView

ALIVE = Observation(State.ALIVE, 1.0)


def placed(name: str = "a", seq: int = 1, **fields: Any) -> Run:
    shares = fields.pop("shares", (Share("n"),))
    spec = RunSpec(id=name, experiment="e", command="true", target="t", **fields)
    run = replace(first(spec, now=1.0, parent=None), seq=seq)
    return step(run, Placed(shares))


def test_a_commit_that_is_older_than_what_is_known_changes_nothing() -> None:
    view, run = EngineView(), placed()
    running = step(run, Started(2.0))
    view.committed(running)
    view.committed(run)
    assert view.placed.get("a") is running


def test_observations_are_kept_when_the_store_tells_the_same_or_more() -> None:
    view, run = EngineView(), placed()
    view.committed(run)
    view.receive([Observed("t", {"a-1": ALIVE})], 1.0)
    running = step(run, Started(2.0))
    view.audited({"a"}, [running], 0, None)
    assert view.placed.get("a") is running
    assert view.jobs.of_run(running) == ALIVE


def test_a_store_that_went_back_is_believed() -> None:
    view, run = EngineView(), placed()
    view.committed(step(run, Started(2.0)))
    view.receive([Observed("t", {"a-1": ALIVE})], 1.0)
    view.audited({"a"}, [run], 0, None)
    assert view.placed.get("a") is run
    assert view.jobs.of_run(run) is None  # so that it is polled


def test_a_run_that_was_placed_elsewhere_since_the_store_went_back_is_observed_anew() -> None:
    view, before = EngineView(), placed(shares=(Share("n", gpus=("0",)),))
    view.committed(before)
    view.receive([Observed("t", {"a-1": ALIVE})], 1.0)
    after = replace(before, placement=(Share("n", gpus=("1",)),))
    view.audited({"a"}, [after], 0, None)
    assert view.placed.get("a") is after
    assert view.jobs.of_run(after) is None


def test_what_the_store_does_not_owe_is_forgotten_within_the_audited_page() -> None:
    view = EngineView()
    for k in range(1, 4):
        view.committed(placed(f"r{k}", k))
    view.audited(set(), [], 1, 2)
    assert [run.id for run in view.placed.of_target("t")] == ["r1", "r3"]
    view.audited(set(), [], 0, None)
    assert len(view.placed) == 0


def test_an_observation_from_another_target_is_ignored() -> None:
    view, run = EngineView(), placed()
    view.committed(run)
    view.receive([Observed("other", {"a-1": ALIVE})], 1.0)
    assert view.jobs.of_run(run) is None


@pytest.mark.parametrize(
    ("known", "late"),
    [
        (State.EXITED, State.ALIVE),
        (State.EXITED, State.CREATED),
        (State.EXITED, State.UNKNOWN),
        (State.ALIVE, State.CREATED),
    ],
)
def test_a_late_answer_does_not_take_back_what_was_pushed_meanwhile(
    known: State, late: State
) -> None:
    jobs, run = JobStates(), placed()
    jobs.own_unlaunched(run)
    jobs.observe("a-1", Observation(known, 1.0))
    assert jobs.observe("a-1", Observation(late))
    assert jobs.state("a-1") is known


@pytest.mark.parametrize("then", [State.EXITED, State.REMOVED, State.ABSENT, State.UNKNOWN])
def test_a_living_job_may_end_or_be_lost(then: State) -> None:
    jobs, run = JobStates(), placed()
    jobs.own_unlaunched(run)
    assert jobs.of_run(run) == ABSENT
    jobs.observe("a-1", ALIVE)
    jobs.observe("a-1", Observation(then))
    assert jobs.state("a-1") is then


def test_the_jobs_polled_longest_ago_are_polled_next() -> None:
    jobs = JobStates()
    for k in range(5):
        jobs.own(placed(f"r{k}"))
    assert jobs.next_to_poll("t", 2) == ["r0-1", "r1-1"]
    assert jobs.next_to_poll("t", 4) == ["r2-1", "r3-1", "r4-1", "r0-1"]


def test_pacing_follows_the_monotonic_clock_alone() -> None:
    jobs = JobStates()
    assert jobs.take_due("a-1", "STOP", 100.0)
    assert not jobs.take_due("a-1", "STOP", 101.0)
    assert jobs.take_due("a-1", "STOP", 102.0)


NODES = st.sampled_from(["m", "n"])
RUNS = st.lists(
    st.builds(
        lambda cpus, gpus, memory, node, lent: (cpus, gpus, memory, node, lent),
        st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, 3.0]),
        st.sets(st.sampled_from("0123"), max_size=2),
        st.sampled_from([None, 10, 500]),
        NODES,
        st.booleans(),
    ),
    max_size=20,
)


@given(RUNS, st.data())
def test_usage_counted_run_by_run_is_what_a_walk_over_all_holders_gives(
    drawn: list[Any], data: st.DataObject
) -> None:
    total = Capacity((Node("m", 8, tuple("0123"), 1000), Node("n", 4, tuple("0123"))))
    usage, runs = Usage(), []
    for k, (cpus, gpus, memory, node, lent) in enumerate(drawn):
        run = placed(f"r{k}", k, cpus=cpus, memory_mb=memory, shares=(Share(node, tuple(gpus)),))
        if lent:
            run = step(step(run, Started(2.0)), SlotLent(("x",)))
        usage.add(run)
        runs.append(run)
    for run in [run for run in runs if data.draw(st.booleans())]:
        usage.remove(run)
        runs.remove(run)
    held = [(run.placement, request) for run in runs if (request := held_request(run))]
    expected, free = subtract(total, held), usage.free(total)
    for one, two in zip(expected.nodes, free.nodes, strict=True):
        assert (one.name, one.gpus, one.memory_mb) == (two.name, two.gpus, two.memory_mb)
        assert one.cpus == pytest.approx(two.cpus, abs=1e-6)
