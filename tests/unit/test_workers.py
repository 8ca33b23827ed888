"""Workers of targets: bounded mailboxes, stops before all else, withdrawn requests."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pytest

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.engine.messages import CallReturned, Message, Observed, Verb
from dispatcher.engine.workers.inventory import Inventory
from dispatcher.engine.workers.mailbox import (
    ControlMailbox,
    LaunchMailbox,
    MeasureCall,
    PollCall,
    RemoveCall,
    StopCall,
)
from dispatcher.engine.workers.worker import Worker
from dispatcher.store.memory import MemoryStore
from dispatcher.wire.jobs import Job
from targets.base import Report, TargetError, TargetUnavailable


class GatedTarget:
    """A target whose calls wait at gates that a test opens."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.launch_gate, self.poll_gate = threading.Event(), threading.Event()
        self.polling = threading.Event()

    def capacity(self) -> Capacity:
        return Capacity((Node("n", 1),))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        assert self.launch_gate.wait(10)
        self.calls.append(("launch", [job.name for job in jobs]))
        return {}

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        self.polling.set()
        assert self.poll_gate.wait(10)
        self.calls.append(("poll", list(names)))
        return dict.fromkeys(names, Observation(State.ABSENT))

    def jobs(self) -> Mapping[str, Observation]:
        if self.polling.is_set() and not self.poll_gate.is_set():
            raise TargetUnavailable("not now")
        return {}

    def stop(self, names: Collection[str], grace: float) -> None:
        self.calls.append(("stop", list(names)))

    def remove(self, names: Collection[str]) -> None:
        self.calls.append(("remove", list(names)))

    def watch(self, report: Report) -> None:
        """Nothing is pushed."""

    def close(self) -> None:
        """Nothing is open."""


class Rig:
    """A worker with a gated target, and what it has reported."""

    def __init__(self) -> None:
        self.target = GatedTarget()
        self.messages: list[Message] = []
        inventory = Inventory("t", MemoryStore())
        self.worker = Worker("t", {}, lambda: self.target, self.messages.append, inventory)

    def until(self, verb: str) -> None:
        deadline = time.monotonic() + 10
        while not any(call[0] == verb for call in self.target.calls):
            assert time.monotonic() < deadline, f"no {verb} in {self.target.calls}"
            time.sleep(0.001)


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.target.launch_gate.set()
    rig.target.poll_gate.set()
    rig.worker.close()


def jobs(*names: str) -> list[Job]:
    return [Job(name, name.rpartition("-")[0], 1) for name in names]


def test_a_stop_overtakes_ten_thousand_queued_polls() -> None:
    mailbox = ControlMailbox()
    for k in range(10_000):
        mailbox.poll([f"r{k}-1"])
    mailbox.remove(["x-1"])
    mailbox.stop(["r7-1"], 5.0)
    assert mailbox.take() == StopCall(["r7-1"], 5.0)


def test_a_question_that_waits_already_is_not_asked_twice() -> None:
    mailbox = ControlMailbox()
    for _ in range(300):
        mailbox.poll(["a-1", "b-1"])
        mailbox.measure(thorough=False)
    assert len(mailbox) == 3
    measured, polled = mailbox.take(), mailbox.take()
    assert isinstance(measured, MeasureCall)
    assert len(measured.done) == 300
    assert polled == PollCall(["a-1", "b-1"])
    mailbox.close()
    assert mailbox.take() is None


def test_many_polls_are_asked_in_pieces_between_which_a_stop_gets_in() -> None:
    mailbox = ControlMailbox()
    mailbox.poll([f"r{k}-1" for k in range(5000)])
    mailbox.remove(["x-1"])
    first = mailbox.take()
    assert isinstance(first, PollCall)
    assert len(first.names) == 2000
    mailbox.stop(["r1-1"], 0.0)
    kinds = [type(mailbox.take()) for _ in range(4)]
    assert kinds == [StopCall, PollCall, PollCall, RemoveCall]


def test_a_request_whose_caller_has_given_up_is_not_carried_out() -> None:
    mailbox = ControlMailbox()
    call = mailbox.request(lambda: None)
    assert mailbox.withdraw(call)
    assert len(mailbox) == 0
    begun = mailbox.request(lambda: None)
    mailbox.take()
    assert not mailbox.withdraw(begun)


def test_launches_that_wait_can_be_withdrawn() -> None:
    mailbox = LaunchMailbox()
    mailbox.put(jobs("a-1", "b-1"))
    assert mailbox.withdraw(["b-1", "c-1"]) == ["b-1"]
    assert list(mailbox.take() or {}) == ["a-1"]


def test_stops_and_polls_do_not_wait_behind_a_launch(rig: Rig) -> None:
    rig.worker.launch(jobs("a-1"))
    rig.target.poll_gate.set()
    rig.worker.poll(["b-1"])
    rig.worker.stop(["b-1"], 1.0)
    rig.until("poll")
    rig.until("stop")
    assert not any(call[0] == "launch" for call in rig.target.calls)


def test_a_stop_withdraws_the_launch_that_waits_and_still_tells_the_target(rig: Rig) -> None:
    rig.worker.launch(jobs("a-1"))
    deadline = time.monotonic() + 10
    while rig.worker.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    rig.worker.launch(jobs("b-1"))
    rig.worker.stop(["b-1"], 1.0)
    assert CallReturned("t", Verb.LAUNCH, ["b-1"]) in rig.messages
    rig.until("stop")
    rig.target.launch_gate.set()
    rig.until("launch")
    assert ("launch", ["b-1"]) not in rig.target.calls
    assert ("stop", ["b-1"]) in rig.target.calls


def test_stale_polls_are_not_replayed_before_a_stop(rig: Rig) -> None:
    rig.worker.poll(["a-1"])
    assert rig.target.polling.wait(10)
    for _ in range(300):
        rig.worker.poll(["a-1"])
    rig.worker.stop(["a-1"], 1.0)
    rig.target.poll_gate.set()
    rig.until("stop")
    verbs = [call[0] for call in rig.target.calls]
    assert verbs[: verbs.index("stop") + 1] == ["poll", "stop"]


def test_a_clear_that_was_refused_to_its_caller_is_not_done_later(rig: Rig) -> None:
    rig.worker.poll(["a-1"])
    assert rig.target.polling.wait(10)
    assert rig.worker.clear(0.01) is False
    rig.target.poll_gate.set()
    deadline = time.monotonic() + 10
    while not any(isinstance(message, Observed) for message in rig.messages):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert rig.worker.waiting == 0
    assert not any(call[0] == "stop" for call in rig.target.calls)
