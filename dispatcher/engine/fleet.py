"""The live targets. Each has one thread that makes its calls in order, so one that hangs holds up
no other.

Calls return at once; what comes of them is handed to `report` as a message. The fleet is also what
the services know of targets (`services.catalog.TargetBook`).
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dispatcher.core.jobs import Job, Observation, State
from dispatcher.core.scheduling import Capacity, Node
from dispatcher.engine.stocktaking import Stocktaking
from dispatcher.store.contract import Store
from targets.base import Target, TargetError, TargetUnavailable

log = logging.getLogger(__name__)
MAY_COME_BACK = 600.0  # seconds for which a node that is gone still counts as part of its target


@dataclass(frozen=True)
class Seen:
    """Observations of jobs, pushed or polled."""

    target: str
    jobs: Mapping[str, Observation]


@dataclass(frozen=True)
class Silent:
    """The target did not answer a poll for these."""

    target: str
    names: Collection[str]


@dataclass(frozen=True)
class Called:
    """A launch, stop or remove has returned; what went wrong, by job."""

    target: str
    verb: str
    names: Collection[str]
    failures: Mapping[str, TargetError] = field(default_factory=dict)


@dataclass(frozen=True)
class Resized:
    """The capacity is known, or known anew."""

    target: str


Message = Seen | Silent | Called | Resized
Report = Callable[[Message], None]


class Builder(Protocol):
    """How configurations become targets; `server.wiring` knows the kinds."""

    def parse(self, config: Mapping[str, Any]) -> dict[str, Any]: ...
    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]: ...
    def build(self, config: Mapping[str, Any]) -> Target: ...


class Member:
    """One target and its thread."""

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        build: Callable[[], Target],
        report: Report,
        stock: Stocktaking,
    ):
        self.name, self.config, self.stock = name, config, stock
        self.present: Capacity | None = None  # as it answered last; None while it does not
        self.answers = False
        self._nodes: dict[str, tuple[Node, float]] = {}  # by name, and when it was there last
        self._build = build
        self._report = report
        self._target: Target | None = None
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"target-{name}", daemon=True)
        self._thread.start()

    def launch(self, jobs: Sequence[Job]) -> None:
        names = [job.name for job in jobs]
        self._calls.put(lambda: self._called("launch", names, lambda target: target.launch(jobs)))

    def stop(self, names: Collection[str], grace: float) -> None:
        self._calls.put(
            lambda: self._called("stop", names, lambda target: target.stop(names, grace))
        )

    def remove(self, names: Collection[str]) -> None:
        self._calls.put(lambda: self._called("remove", names, lambda target: target.remove(names)))

    def poll(self, names: Collection[str]) -> None:
        self._calls.put(lambda: self._poll(names))

    def clear(self, seconds: float) -> bool:
        """End what no run accounts for; whether the target was told so in time."""
        told: list[bool] = []

        def ask() -> None:
            try:
                self.stock.clear(self._reach())
                told.append(True)
            except TargetError as error:
                log.warning("nothing is cleared: %s", error, extra={"target": self.name})

        self._asked(ask).wait(seconds)
        return bool(told)

    def measure(self, *, thoroughly: bool = False) -> threading.Event:
        """Ask for the capacity, and now and then for all jobs; the event is set once the target has
        answered, or refused to.
        """
        return self._asked(lambda: self._measure(thoroughly))

    def _asked(self, ask: Callable[[], None]) -> threading.Event:
        done = threading.Event()

        def call() -> None:
            try:
                ask()
            finally:
                done.set()

        self._calls.put(call)
        return done

    def close(self) -> None:
        """Let go; calls that wait are still made."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                log.exception("call to target failed", extra={"target": self.name})
        if self._target is not None:
            self._target.close()

    def _reach(self) -> Target:
        if self._target is None:
            self._target = self._build()
            self._target.watch(lambda jobs: self._report(Seen(self.name, jobs)))
        return self._target

    def _called(self, verb: str, names: Collection[str], call: Callable[[Target], Any]) -> None:
        try:
            failures = call(self._reach()) or {}
        except TargetError as error:
            failures = dict.fromkeys(names, error)
        except Exception as error:
            log.exception("%s failed", verb, extra={"target": self.name})
            failures = dict.fromkeys(names, TargetUnavailable(f"{verb}: {error!r}"))
        self._report(Called(self.name, verb, names, failures))

    def _poll(self, names: Collection[str]) -> None:
        try:
            self._report(Seen(self.name, self._reach().poll(names)))
        except TargetError:
            log.warning("target does not answer", extra={"target": self.name}, exc_info=True)
            self._report(Silent(self.name, names))

    def _measure(self, thoroughly: bool) -> None:
        try:
            capacity = self._reach().capacity()
        except TargetError as error:
            log.warning("target does not answer: %s", error, extra={"target": self.name})
            self.answers, self.present = False, None
            return
        now = time.monotonic()
        self._nodes.update((node.name, (node, now)) for node in capacity.nodes)
        self.answers = True
        if capacity != self.present:
            self.present = capacity
            self._report(Resized(self.name))
        self._take_stock(thoroughly)

    def _take_stock(self, now: bool) -> None:
        try:
            self.stock.take(self._reach(), now=now)
        except TargetError as error:
            log.warning("cannot say all that it has: %s", error, extra={"target": self.name})

    @property
    def whole(self) -> Capacity | None:
        """All its nodes, those included that went away a while ago and may come back.

        What is larger than that can never run there; what is larger than what is present waits.
        """
        since = time.monotonic() - MAY_COME_BACK
        nodes = tuple(node for node, seen in list(self._nodes.values()) if seen >= since)
        return Capacity(nodes) if nodes else self.present


class Fleet:
    """All members by name, following the configurations in the store."""

    def __init__(self, store: Store, builder: Builder, report: Report) -> None:
        self._store = store
        self._builder = builder
        self._report = report
        self._members: dict[str, Member] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Member | None:
        return self._members.get(name)

    def members(self) -> list[Member]:
        return list(self._members.values())

    def refresh(self) -> None:
        """Build what is new or changed, let go of what was detached, and measure the rest."""
        configs = self._store.read(lambda tx: tx.registry.targets())
        with self._lock:
            for name, member in list(self._members.items()):
                if configs.get(name) != member.config:
                    self._members.pop(name).close()
            for name, config in configs.items():
                if name not in self._members:
                    self._members[name] = self._member(name, config)
                self._members[name].measure()

    def close(self) -> None:
        for member in self.members():
            member.close()

    def check(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return self._builder.parse(config)

    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return self._builder.shown(config)

    def capacity(self, name: str) -> Capacity | None:
        member = self._members.get(name)
        return None if member is None else member.whole

    def present(self, name: str) -> Capacity | None:
        """What of it answers now."""
        member = self._members.get(name)
        return None if member is None else member.present

    def changed(self) -> None:
        self.refresh()

    def config(self, name: str) -> Mapping[str, Any]:
        member = self._members.get(name)
        return {} if member is None else member.config

    def measure(self, name: str, seconds: float) -> None:
        member = self._members.get(name)
        if member is not None:
            member.measure(thoroughly=True).wait(seconds)

    def strays(self, name: str) -> Mapping[str, State]:
        """The jobs that it has and no run accounts for, as they were seen last."""
        member = self._members.get(name)
        return {} if member is None else member.stock.strays

    def clear(self, name: str, seconds: float) -> bool:
        member = self._members.get(name)
        return member is not None and member.clear(seconds)

    def answers(self, name: str) -> bool:
        member = self._members.get(name)
        return member is not None and member.answers

    def _member(self, name: str, config: Mapping[str, Any]) -> Member:
        stock = Stocktaking(name, self._store)
        return Member(name, config, lambda: self._builder.build(config), self._report, stock)
