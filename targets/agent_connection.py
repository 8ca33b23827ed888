"""A connection to a node agent (docs/protocol.md, section 3): newline-delimited JSON over a Unix
socket.

The agent may be started, killed and started again at any time: a call that finds no connection
makes one, and one that loses it raises TargetUnavailable. Nothing is remembered here between two
connections.
"""

import json
import logging
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from dispatcher.core.jobs import Job, Observation
from targets.base import Report, TargetUnavailable

log = logging.getLogger(__name__)
TIMEOUT = 20.0
LONGEST_LINE = 1 << 28  # the observations of a hundred thousand jobs


class AgentConnection:
    """Speaks to the agent at `path`. `start` is called when nobody answers there; it must return
    once someone does.

    `setting` is what the agent is configured with on every connection: how it reaches the service.
    """

    timeout = TIMEOUT
    longest_line = LONGEST_LINE

    def __init__(self, path: Path, start: Callable[[], None], setting: Mapping[str, Any]) -> None:
        self._path, self._start, self._setting = path, start, setting
        self._report: Report | None = None
        self._lock = threading.Lock()  # one call is sent at a time
        self._state = threading.Lock()  # that a connection is there, and who waits for its answers
        self._socket: socket.socket | None = None
        self._pending: dict[int, Future[dict[str, Any]]] = {}
        self._next = 0
        self.hello: Mapping[str, Any] = {}

    @property
    def is_connected(self) -> bool:
        """Whether there was an agent the last time that anybody looked."""
        return self._socket is not None

    def watch(self, report: Report) -> None:
        self._report = report
        self.ask("subscribe")

    def submit(self, jobs: Sequence[Job]) -> None:
        self.ask("submit", jobs=[job.wire() for job in jobs])

    def observe(self, names: Collection[str] | None) -> dict[str, Observation]:
        """The named jobs, or all that the agent knows."""
        answer = self.ask("observe", names=None if names is None else list(names))
        return {name: self._read(seen) for name, seen in answer["observations"].items()}

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One call and its answer. Raises TargetUnavailable."""
        with self._lock:
            future = self._send(self._socket or self._connect(), op, fields)
        return self._result(future, op)

    def close(self) -> None:
        with self._lock, suppress(OSError):  # it is closed already
            connection = self._socket
            if connection is not None:
                connection.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> socket.socket:
        try:
            found = self._dial()
        except OSError:
            self._start()
            try:
                found = self._dial()
            except OSError as error:
                raise TargetUnavailable(
                    f"the node agent at {self._path} does not answer"
                ) from error
        self._socket = found
        threading.Thread(
            target=self._listen, args=(found,), name="agent-events", daemon=True
        ).start()
        greetings = [
            self._send(found, "hello", {}),
            self._send(found, "configure", dict(self._setting)),
        ]
        if self._report is not None:
            greetings.append(self._send(found, "subscribe", {}))
        self.hello = self._result(greetings[0], "hello")
        for greeting in greetings[1:]:
            self._result(greeting, "configure")
        return found

    def _dial(self) -> socket.socket:
        """A new connection. Raises OSError."""
        return _dial(self._path)

    def _read(self, record: Mapping[str, Any]) -> Observation:
        """What the agent says of a job. Raises ValueError if it makes no sense."""
        return Observation.of(record)

    def _send(
        self, connection: socket.socket, op: str, fields: Mapping[str, Any]
    ) -> "Future[dict[str, Any]]":
        future: Future[dict[str, Any]] = Future()
        self._next += 1
        line = json.dumps({"id": self._next, "op": op, **fields}).encode() + b"\n"
        with self._state:
            if self._socket is not connection:
                raise TargetUnavailable("the node agent is gone")
            self._pending[self._next] = future
        try:
            connection.sendall(line)
        except OSError as error:
            self._lost(connection)
            raise TargetUnavailable(f"the node agent is gone: {error}") from error
        return future

    def _listen(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as lines:
                while line := lines.readline(self.longest_line):
                    self._receive(json.loads(line))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            log.info("connection to the node agent lost", exc_info=True)
        self._lost(connection)

    def _receive(self, message: dict[str, Any]) -> None:
        if "event" in message:
            events = message["event"] if isinstance(message["event"], list) else [message["event"]]
            if self._report is not None:
                self._report({seen["name"]: self._read(seen) for seen in events})
            return
        future = self._pending.pop(message["id"], None)
        if future is None:
            return
        if message.get("ok"):
            future.set_result(message)
        else:
            future.set_exception(TargetUnavailable(f"the node agent: {message.get('error')}"))

    def _result(self, future: "Future[dict[str, Any]]", op: str) -> dict[str, Any]:
        try:
            return future.result(self.timeout)
        except TimeoutError as error:
            waited = f"{self.timeout:g} s"
            raise TargetUnavailable(f"the node agent did not answer {op} in {waited}") from error

    def _lost(self, connection: socket.socket) -> None:
        """Whoever waits for an answer is told; the engine is told that something has changed."""
        with self._state:
            if self._socket is not connection:
                return
            self._socket = None
            pending, self._pending = self._pending, {}
        connection.close()
        for future in pending.values():
            if not future.done():
                future.set_exception(TargetUnavailable("the node agent is gone"))
        if self._report is not None:
            self._report({})


def answers(path: Path) -> bool:
    """Whether somebody listens there."""
    try:
        _dial(path).close()
    except OSError:
        return False
    return True


def _dial(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
