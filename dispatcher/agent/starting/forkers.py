"""The agent's side of its fork servers: one per key, started when first needed."""

from __future__ import annotations

import json
import logging
import selectors
import socket
import subprocess
import time
from collections import deque

from dispatcher.agent.starting.forker import CODE
from dispatcher.agent.starting.methods import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

log = logging.getLogger(__name__)
MOST_FORKERS = 8
MOST_YOUNG_DEATHS = 5  # in a row; then the fork server is taken for broken
_LARGEST = 1 << 16


class Forker:
    """One fork server, and the orders that it has not taken yet.

    Args:
        key: What it is for.
        config: What it is told when it starts.
        environment: Its environment.
        selector: Tells when there is something to read or room to write.
        attend: Called with it then.
    """

    def __init__(
        self,
        key: Key,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        selector: selectors.BaseSelector,
        attend: Callable[[Forker], None],
    ) -> None:
        self.key = key
        self.ready: Optional[bool] = None  # None: still importing
        self.error: Optional[str] = None
        self.modules: FrozenSet[str] = frozenset()
        self.used_at = time.monotonic()
        self.orders: Deque[Dict[str, Any]] = deque()
        self._selector = selector
        self._attend = lambda: attend(self)
        self._events = selectors.EVENT_READ
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        command = [key.interpreter, "-c", CODE, str(theirs.fileno()), json.dumps(config)]
        try:
            self._process = subprocess.Popen(
                command,
                env={**environment, **dict(key.environment)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            self.socket.close()
            raise
        finally:
            theirs.close()
        selector.register(self.socket, self._events, self._attend)

    def order(self, order: Dict[str, Any]) -> None:
        """Give it a job to start, now or as soon as it can take one."""
        self.used_at = time.monotonic()
        self.orders.append(order)
        self.flush()

    def flush(self) -> None:
        """Send what it takes; the selector says when it takes more."""
        if not self.ready:
            return
        while self.orders:
            try:
                self.socket.send(json.dumps(self.orders[0]).encode())
            except BlockingIOError:
                self._want(selectors.EVENT_READ | selectors.EVENT_WRITE)
                return
            except OSError:
                return  # it is gone: reading says so, and the orders are placed again
            self.orders.popleft()
        self._want(selectors.EVENT_READ)

    def read(self) -> Tuple[List[Dict[str, Any]], bool]:
        """What it has said, and whether it is still there."""
        said: List[Dict[str, Any]] = []
        while True:
            try:
                data = self.socket.recv(_LARGEST)
            except BlockingIOError:
                return said, True
            except OSError:
                return said, False
            if not data:
                return said, False
            said.append(json.loads(data))

    def close(self) -> None:
        """Let it go; the shims that it forked go on."""
        if self.socket.fileno() >= 0:
            self._selector.unregister(self.socket)
            self.socket.close()
        try:
            self._process.wait(timeout=0.5 if self.ready else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _want(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._selector.modify(self.socket, events, self._attend)


class Forkers:
    """All fork servers of an agent; used by one thread.

    Args:
        selector: Where they are registered.
        config: What every one of them is told.
        environment: The environment that they start with.
        on_dead: Called with the names of jobs whose shims have ended.
        on_ready: Called with the key of one that can be given orders now, or never.
        on_gone: Called with the key of one that has ended.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        on_dead: Callable[[List[str]], None],
        on_ready: Callable[[Key], None],
        on_gone: Callable[[Key], None],
    ) -> None:
        self._selector = selector
        self._config = config
        self._environment = environment
        self._on_dead, self._on_ready, self._on_gone = on_dead, on_ready, on_gone
        self._forkers: Dict[Key, Forker] = {}
        self._broken: Dict[Key, str] = {}
        self._died_young: Dict[Key, int] = {}  # in a row, before they were ready

    def get(self, key: Key) -> Optional[Forker]:
        """The forker of a key, started if need be; None if it is known that it cannot start."""
        forker = self._forkers.get(key)
        if forker is not None or key in self._broken:
            return forker
        config = {**self._config, "preload": list(key.preload)}
        try:
            forker = Forker(key, config, self._environment, self._selector, self._attend)
        except OSError as error:
            self._broken[key] = f"{key.interpreter}: {error}"
            return None
        self._forkers[key] = forker
        self._close_the_idlest()
        return forker

    def keys(self) -> Set[Key]:
        """The keys of those that live."""
        return set(self._forkers)

    def why_broken(self, key: Key) -> str:
        """What is wrong with a key that has no forker."""
        return self._broken.get(key, "")

    def close(self) -> None:
        """Let all of them go."""
        for forker in self._forkers.values():
            forker.close()
        self._forkers.clear()

    def _attend(self, forker: Forker) -> None:
        """Take in what a forker says, and go on giving it orders."""
        said, is_there = forker.read()
        for told in said:
            if "dead" in told:
                self._on_dead(told["dead"])
            else:
                self._hear_first(forker, told)
        if is_there:
            forker.flush()
        else:
            self._lose(forker)

    def _hear_first(self, forker: Forker, told: Mapping[str, Any]) -> None:
        forker.error = told["error"]
        if told["ready"]:
            forker.ready = True
            self._died_young.pop(forker.key, None)
            forker.modules = frozenset(told["modules"])
            self._on_ready(forker.key)

    def _lose(self, forker: Forker) -> None:
        """One ended: because it could not start (then its key is given up), or was killed.

        One that ends without a word before it was ready was probably killed: the next may live.
        """
        self._forkers.pop(forker.key, None)
        forker.close()
        if not forker.ready:
            self._died_young[forker.key] = self._died_young.get(forker.key, 0) + 1
            if forker.error or self._died_young[forker.key] >= MOST_YOUNG_DEATHS:
                self._broken[forker.key] = forker.error or "the fork server did not start"
                log.warning("no fork server: %s", self._broken[forker.key])
        self._on_gone(forker.key)

    def _close_the_idlest(self) -> None:
        idle = [f for f in self._forkers.values() if f.ready and not f.orders and f.key.preload]
        if len(self._forkers) > MOST_FORKERS and idle:
            idlest = min(idle, key=lambda forker: forker.used_at)
            del self._forkers[idlest.key]
            idlest.close()
