"""The contract of targets: the states of jobs.

It is shipped: subclass `TargetContract` with a `target` fixture and a `make_job` fixture, and it
checks your target too. The fake (`targets.fake`) passes the same suite as the real ones, so what is
proven with the fake holds for them. What jobs bring about is checked by `targets.outcome_contract`.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.wire.jobs import Job
from targets.base import Target

PATIENCE = 30.0  # seconds


def wait_until(
    target: Target, name: str, enough: Callable[[Observation], bool], seconds: float = PATIENCE
) -> Observation:
    """Poll until `enough` holds of the job; fails with the last observation."""
    deadline = time.monotonic() + seconds
    while True:
        observation = target.poll([name])[name]
        if enough(observation):
            return observation
        assert time.monotonic() < deadline, f"{name} is still {observation}"
        time.sleep(0.02)


def exited(observation: Observation) -> bool:
    return observation.state is State.EXITED


def has_ended(observation: Observation) -> bool:
    """It ended, or was withdrawn and will never start."""
    return observation.state in (State.EXITED, State.REMOVED)


def alive(observation: Observation) -> bool:
    return observation.state is State.ALIVE


class TargetContract:
    """The contract of targets. A subclass provides the fixtures `target` and `make_job`.

    `make_job(name)` creates a job that runs until it is stopped.
    """

    def test_a_job_that_was_never_launched_is_absent(self, target: Target) -> None:
        assert target.poll(["nobody-1"])["nobody-1"].state is State.ABSENT

    def test_launching_a_name_twice_starts_one_job(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        job = make_job("twice-1")
        assert not target.launch([job, job])
        first = wait_until(target, job.name, alive)
        assert not target.launch([job])
        assert wait_until(target, job.name, alive).started_at == first.started_at
        target.stop([job.name], grace=0)
        wait_until(target, job.name, exited)
        assert not target.launch([job])
        assert target.poll([job.name])[job.name].state is State.EXITED
        target.remove([job.name])

    def test_a_removed_job_does_not_start_again(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        job = make_job("gone-1")
        target.launch([job])
        wait_until(target, job.name, alive)
        target.stop([job.name], grace=0)
        wait_until(target, job.name, exited)
        target.remove([job.name])
        target.remove([job.name])
        wait_until(target, job.name, lambda seen: seen.state is State.REMOVED)
        target.launch([job])
        assert target.poll([job.name])[job.name].state in (State.REMOVED, State.EXITED)

    def test_stopping_or_removing_what_is_not_there_is_fine(self, target: Target) -> None:
        target.stop(["nobody-2"], grace=0)
        target.remove(["nobody-3"])

    def test_a_job_that_was_withdrawn_before_its_launch_does_not_start(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        job = make_job("withdrawn-1")
        target.stop([job.name], grace=0)
        target.launch([job])
        observation = wait_until(
            target, job.name, lambda observation: observation.state in (State.EXITED, State.REMOVED)
        )
        assert observation.started_at is None

    def test_a_stopped_job_leaves_evidence_of_it(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        job = make_job("stopped-1")
        target.launch([job])
        wait_until(target, job.name, alive)
        target.stop([job.name], grace=5)
        evidence = wait_until(target, job.name, exited).evidence
        assert evidence is not None
        assert evidence.reason == "stopped"
        assert not evidence.ok
        target.remove([job.name])

    def test_a_poll_answers_for_every_name(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        jobs = [make_job(f"many{k}-1") for k in range(3)]
        target.launch(jobs)
        names = [job.name for job in jobs]
        for name in names:
            wait_until(target, name, alive)
        assert set(target.poll([*names, "nobody-4"])) == {*names, "nobody-4"}
        target.stop(names, grace=0)
        for name in names:
            wait_until(target, name, exited)
        target.remove(names)

    def test_all_that_it_has_is_told_without_names(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        job = make_job("unasked-1")
        target.stop(["withheld-1"], grace=0)
        target.launch([job])
        wait_until(target, job.name, alive)
        observations = target.jobs()
        assert observations[job.name].state is State.ALIVE
        assert "withheld-1" not in observations
        target.stop([job.name], grace=0)
        wait_until(target, job.name, exited)
        assert target.jobs()[job.name].state is State.EXITED
        target.remove([job.name])
        wait_until(target, job.name, lambda seen: seen.state is State.REMOVED)
        assert job.name not in target.jobs()

    def test_polls_and_stops_are_right_while_jobs_are_launched(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        jobs = [make_job(f"busy{k}-1") for k in range(6)]
        names = [job.name for job in jobs]
        stopped, remaining = names[::2], names[1::2]
        with ThreadPoolExecutor(max_workers=1) as threads:
            launching = threads.submit(target.launch, jobs)
            is_done = False
            while not is_done:
                is_done = launching.done()
                assert target.poll(names).keys() == set(names)
                target.stop(stopped, grace=0)
        assert launching.result().keys() <= set(stopped)
        for name in stopped:
            wait_until(target, name, has_ended)
        for name in remaining:
            wait_until(target, name, alive)
        target.stop(remaining, grace=0)
        for name in remaining:
            wait_until(target, name, exited)
        target.remove(names)

    def test_the_capacity_names_its_nodes(self, target: Target) -> None:
        nodes = target.capacity().nodes
        assert nodes
        assert len({node.name for node in nodes}) == len(nodes)


class AdmissionQueueContract(TargetContract):
    """The further contract of targets whose nodes have admission queues.

    The target has one CPU, and each job of `make_job` uses it.
    """

    def test_a_job_ahead_of_its_turn_starts_when_the_one_before_it_ends(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        first, second = make_job("before-1"), replace(make_job("ahead-1"), cpu_budget=1.0)
        target.launch([first])
        wait_until(target, first.name, alive)
        assert target.capacity().has_admission_queue
        target.launch([second])
        assert target.poll([second.name])[second.name].state is State.CREATED
        target.stop([first.name], grace=5)
        wait_until(target, second.name, alive)
        self._end(target, first.name, second.name)

    def test_a_job_that_was_ahead_starts_at_once_when_it_is_launched_without_room(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        first, second = make_job("holds-1"), make_job("called-1")
        target.launch([first, replace(second, cpu_budget=1.0)])
        wait_until(target, first.name, alive)
        target.launch([second])
        wait_until(target, second.name, alive)
        assert target.poll([first.name])[first.name].state is State.ALIVE
        self._end(target, first.name, second.name)

    def test_a_job_that_is_stopped_ahead_of_its_turn_never_starts(
        self, target: Target, make_job: Callable[[str], Job]
    ) -> None:
        first, second = make_job("goes-1"), replace(make_job("never-1"), cpu_budget=1.0)
        target.launch([first, second])
        wait_until(target, first.name, alive)
        target.stop([second.name], grace=0)
        assert wait_until(target, second.name, exited).started_at is None
        self._end(target, first.name)
        assert target.poll([second.name])[second.name].started_at is None

    def _end(self, target: Target, *names: str) -> None:
        target.stop(names, grace=5)
        for name in names:
            wait_until(target, name, exited)
