"""The fork server pool: the agent's side of its fork servers, one per key."""

from __future__ import annotations

import json
import logging
import selectors
import socket
import subprocess
import time
from collections import deque

from dispatcher.agent.starting.fork_server import CODE
from dispatcher.agent.starting.start_method import ForkServerKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

log = logging.getLogger(__name__)
MAX_FORK_SERVERS = 8
MAX_FAILED_STARTS = 5  # in a row; then the fork server counts as broken
_MAX_MESSAGE = 1 << 16


class ForkServer:
    """One fork server, and the orders that it has not received yet.

    Args:
        key: The interpreter, modules and variables that it serves.
        config: Its configuration.
        environment: Its environment.
        selector: Reports when its socket can be read or written.
        attend: Called with this object then.
    """

    def __init__(
        self,
        key: ForkServerKey,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        selector: selectors.BaseSelector,
        attend: Callable[[ForkServer], None],
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
        command.append(config["runtime"])
        try:
            self._process = subprocess.Popen(
                command,
                env=_changed(environment, key),
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
        """Order the start of a job; the order waits until the fork server is ready."""
        self.used_at = time.monotonic()
        self.orders.append(order)
        self.flush()

    def flush(self) -> None:
        """Send as many orders as the socket accepts."""
        if not self.ready:
            return
        while self.orders:
            try:
                self.socket.send(json.dumps(self.orders[0]).encode())
            except BlockingIOError:
                self._want(selectors.EVENT_READ | selectors.EVENT_WRITE)
                return
            except OSError:
                return  # it has ended: reading detects that, and its jobs start elsewhere
            self.orders.popleft()
        self._want(selectors.EVENT_READ)

    def read(self) -> Tuple[List[Dict[str, Any]], bool]:
        """The messages that have come, and whether the fork server is still there."""
        messages: List[Dict[str, Any]] = []
        while True:
            try:
                data = self.socket.recv(_MAX_MESSAGE)
            except BlockingIOError:
                return messages, True
            except OSError:
                return messages, False
            if not data:
                return messages, False
            messages.append(json.loads(data))

    def close(self) -> None:
        """Close the connection, which ends the fork server; its shims continue."""
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


def _changed(environment: Mapping[str, str], key: ForkServerKey) -> Dict[str, str]:
    """The environment with the variables of a key."""
    changes = {**environment, **dict(key.environment)}
    return {name: value for name, value in changes.items() if value is not None}


class ForkServerPool:
    """All fork servers of an agent. Used by one thread.

    Args:
        selector: Holds their sockets.
        config: The configuration of all of them.
        environment: The environment of all of them.
        on_dead: Called with the names of jobs whose shims have ended.
        on_ready: Called with the key of a fork server that is ready.
        on_gone: Called with the key of a fork server that has ended.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        on_dead: Callable[[List[str]], None],
        on_ready: Callable[[ForkServerKey], None],
        on_gone: Callable[[ForkServerKey], None],
    ) -> None:
        self._selector = selector
        self._config = config
        self._environment = environment
        self._on_dead, self._on_ready, self._on_gone = on_dead, on_ready, on_gone
        self._fork_servers: Dict[ForkServerKey, ForkServer] = {}
        self._broken: Dict[ForkServerKey, str] = {}
        self._failed_starts: Dict[ForkServerKey, int] = {}  # in a row, before they were ready

    def get(self, key: ForkServerKey) -> Optional[ForkServer]:
        """The fork server of a key, started if needed; None if it cannot start."""
        fork_server = self._fork_servers.get(key)
        if fork_server is not None or key in self._broken:
            return fork_server
        config = {**self._config, "preload": list(key.preload)}
        try:
            fork_server = ForkServer(key, config, self._environment, self._selector, self._attend)
        except OSError as error:
            self._broken[key] = f"{key.interpreter}: {error}"
            return None
        self._fork_servers[key] = fork_server
        self._close_longest_idle()
        return fork_server

    def keys(self) -> Set[ForkServerKey]:
        """The keys of the running fork servers."""
        return set(self._fork_servers)

    def why_broken(self, key: ForkServerKey) -> str:
        """Why the fork server of a key cannot start."""
        return self._broken.get(key, "")

    def close(self) -> None:
        """Close all of them."""
        for fork_server in self._fork_servers.values():
            fork_server.close()
        self._fork_servers.clear()

    def _attend(self, fork_server: ForkServer) -> None:
        """Apply the messages of a fork server, and send it waiting orders."""
        messages, is_connected = fork_server.read()
        for message in messages:
            if "dead" in message:
                self._on_dead(message["dead"])
            else:
                self._receive_ready(fork_server, message)
        if is_connected:
            fork_server.flush()
        else:
            self._lose(fork_server)

    def _receive_ready(self, fork_server: ForkServer, message: Mapping[str, Any]) -> None:
        fork_server.error = message["error"]
        if message["ready"]:
            fork_server.ready = True
            self._failed_starts.pop(fork_server.key, None)
            fork_server.modules = frozenset(message["modules"])
            self._on_ready(fork_server.key)

    def _lose(self, fork_server: ForkServer) -> None:
        """A fork server has ended: it could not start, or it was killed.

        One that ends before it was ready and reports no error was probably killed, so it is started
        again a few times.
        """
        self._fork_servers.pop(fork_server.key, None)
        fork_server.close()
        if not fork_server.ready:
            self._failed_starts[fork_server.key] = self._failed_starts.get(fork_server.key, 0) + 1
            if fork_server.error or self._failed_starts[fork_server.key] >= MAX_FAILED_STARTS:
                self._broken[fork_server.key] = fork_server.error or "the fork server did not start"
                log.warning("fork server cannot start: %s", self._broken[fork_server.key])
        self._on_gone(fork_server.key)

    def _close_longest_idle(self) -> None:
        idle = [
            f for f in self._fork_servers.values() if f.ready and not f.orders and f.key.preload
        ]
        if len(self._fork_servers) > MAX_FORK_SERVERS and idle:
            idlest = min(idle, key=lambda fork_server: fork_server.used_at)
            del self._fork_servers[idlest.key]
            idlest.close()
