"""The worker of one target: two threads that make its calls, so that one that hangs holds up no
other target, and a slow launch holds up no stop.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.engine.facts import TargetFacts
from dispatcher.engine.messages import (
    CallReturned,
    CapacityChanged,
    Message,
    Observed,
    Unreachable,
    Verb,
)
from dispatcher.engine.workers.inventory import Inventory
from dispatcher.engine.workers.mailbox import (
    ControlCall,
    ControlMailbox,
    LaunchMailbox,
    MeasureCall,
    PollCall,
    RemoveCall,
    RequestCall,
    StopCall,
)
from dispatcher.wire.jobs import Job
from targets.base import Target, TargetError, TargetUnavailable

log = logging.getLogger(__name__)
MAY_COME_BACK = 600.0  # seconds for which a node that is gone still counts as part of its target
Report = Callable[[Message], None]


class Worker:
    """Makes the calls to one target and reports what comes of them.

    Args:
        name: The target's.
        config: Its stored configuration.
        build: Connects to it; called again after it has failed.
        report: Takes the messages, from any thread.
        inventory: Finds its orphan jobs.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        build: Callable[[], Target],
        report: Report,
        inventory: Inventory,
    ) -> None:
        self.name, self.config, self.inventory = name, config, inventory
        self.present: Capacity | None = None
        self.answers = False
        self._nodes: dict[str, tuple[Node, float]] = {}  # by name, and when it was there last
        self._build, self._report = build, report
        self._target: Target | None = None
        self._building = threading.Lock()
        self._launches, self._control = LaunchMailbox(), ControlMailbox()
        self._threads = [
            threading.Thread(target=self._run_launches, name=f"launch-{name}", daemon=True),
            threading.Thread(target=self._run_control, name=f"control-{name}", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def facts(self) -> TargetFacts:
        """What is known of the target."""
        return TargetFacts(self.config, self.present, self._whole())

    @property
    def waiting(self) -> int:
        """How many entries its mailboxes hold."""
        return len(self._launches) + len(self._control)

    def launch(self, jobs: Sequence[Job]) -> None:
        """Launch the jobs; CallReturned follows."""
        self._launches.put(jobs)

    def stop(self, names: Collection[str], grace: float) -> None:
        """Stop the jobs; CallReturned follows. Launches of them that wait are withdrawn."""
        withdrawn = self._launches.withdraw(names)
        if withdrawn:
            self._report(CallReturned(self.name, Verb.LAUNCH, withdrawn))
        self._control.stop(names, grace)

    def remove(self, names: Collection[str]) -> None:
        """Remove the jobs' remains; CallReturned follows."""
        self._control.remove(names)

    def poll(self, names: Collection[str]) -> None:
        """Look at the jobs; Observed or Unreachable follows."""
        self._control.poll(names)

    def measure(self, *, thorough: bool = False) -> threading.Event:
        """Ask for the capacity; the event is set once the target has answered, or refused to."""
        return self._control.measure(thorough=thorough)

    def clear(self, seconds: float) -> bool:
        """End the target's orphan jobs; whether it was told to within that time.

        What is answered with False is withdrawn, and not done later.
        """
        return self._request(lambda: self.inventory.clear(self._reach()), "orphan", seconds)

    def end_jobs(self, seconds: float) -> bool:
        """End all jobs of the target at once; whether it was told to within that time."""

        def end() -> None:
            target = self._reach()
            target.stop(list(target.jobs()), 0)

        return self._request(end, "job", seconds)

    def _request(self, action: Callable[[], object], what: str, seconds: float) -> bool:
        succeeded: list[bool] = []

        def ask() -> None:
            try:
                action()
                succeeded.append(True)
            except TargetError as error:
                log.warning("no %s is ended: %s", what, error, extra={"target": self.name})

        call = self._control.request(ask)
        if not call.done.wait(seconds) and not self._control.withdraw(call):
            call.done.wait()  # it was begun: its outcome is the answer
        return bool(succeeded)

    def close(self) -> None:
        """End the threads; calls that wait are still made."""
        self._launches.close()
        self._control.close()

    def _run_launches(self) -> None:
        while (jobs := self._launches.take()) is not None:
            batch = list(jobs.values())
            self._call(Verb.LAUNCH, list(jobs), lambda target, batch=batch: target.launch(batch))  # type: ignore[misc]

    def _run_control(self) -> None:
        while (call := self._control.take()) is not None:
            try:
                self._serve(call)
            except Exception:
                log.exception("a call to the target failed", extra={"target": self.name})
        self._threads[0].join()
        if self._target is not None:
            self._target.close()

    def _serve(self, call: ControlCall) -> None:
        match call:
            case StopCall(names, grace):
                self._call(Verb.STOP, names, lambda target: target.stop(names, grace))
            case RemoveCall(names):
                self._call(Verb.REMOVE, names, lambda target: target.remove(names))
            case PollCall(names):
                self._poll(names)
            case MeasureCall(thorough, done):
                try:
                    self._measure(thorough=thorough)
                finally:
                    for event in done:
                        event.set()
            case RequestCall():
                try:
                    call.ask()
                finally:
                    call.done.set()

    def _reach(self) -> Target:
        with self._building:
            if self._target is None:
                self._target = self._build()
                self._target.watch(lambda jobs: self._report(Observed(self.name, jobs)))
            return self._target

    def _call(self, verb: Verb, names: Collection[str], call: Callable[[Target], Any]) -> None:
        try:
            failures = call(self._reach()) or {}
        except TargetError as error:
            failures = dict.fromkeys(names, error)
        except Exception as error:
            log.exception("%s failed", verb, extra={"target": self.name})
            failures = dict.fromkeys(names, TargetUnavailable(f"{verb}: {error!r}"))
        self._report(CallReturned(self.name, verb, names, failures))

    def _poll(self, names: Collection[str]) -> None:
        try:
            self._report(Observed(self.name, self._reach().poll(names)))
        except TargetError:
            log.warning("the target does not answer", extra={"target": self.name}, exc_info=True)
            self._report(Unreachable(self.name, names))

    def _measure(self, *, thorough: bool) -> None:
        try:
            capacity = self._reach().capacity()
        except TargetError as error:
            log.warning("the target does not answer: %s", error, extra={"target": self.name})
            self.answers, self.present = False, None
            return
        now = time.monotonic()
        self._nodes.update((node.name, (node, now)) for node in capacity.nodes)
        self.answers = True
        if capacity != self.present:
            self.present = capacity
            self._report(CapacityChanged(self.name))
        try:
            self.inventory.take(self._reach(), now=thorough)
        except TargetError as error:
            log.warning("the target cannot list its jobs: %s", error, extra={"target": self.name})

    def _whole(self) -> Capacity | None:
        since = time.monotonic() - MAY_COME_BACK
        nodes = tuple(node for node, seen in list(self._nodes.values()) if seen >= since)
        return Capacity(nodes) if nodes else self.present
