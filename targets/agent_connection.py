"""A connection to a node agent (docs/protocol.md, section 3): JSON-line RPC over a Unix socket.

The agent may be started, killed and started again at any time. A call that finds no connection
makes one, and a call that loses its connection raises TargetUnavailable. No lock is held while a
call waits for its answer, so a poll is not held up by a launch.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatcher.core.runs.jobs import Observation
from dispatcher.wire.jobs import Job, encode_job
from dispatcher.wire.rpc_client import LONGEST_LINE, RpcClient, RpcFailed
from dispatcher.wire.sockets import UnsafeFolder, check_peer, check_private, short_path
from targets.base import Report, TargetUnavailable

ANSWER_SECONDS = 20.0
_PEER = "the node agent"


class AgentConnection:
    """Speaks to the agent whose socket is at `path`. Any thread may ask.

    Args:
        path: The agent's socket.
        start: Called when no agent answers; it returns once an agent does, or raises
            TargetUnavailable.
        settings: The settings that the agent gets on every connection.
        owner: The user who must listen at the socket, and own its folder alone; None: the caller
            checks that in another way.
        root: The folder that the agent must serve, because another agent may answer at the socket
            after the folder was moved; None: whatever it serves.

    Attributes:
        hello: The agent's last description of itself; empty before the first connection.
    """

    answer_seconds = ANSWER_SECONDS
    longest_line = LONGEST_LINE  # bytes

    def __init__(
        self,
        path: Path,
        start: Callable[[], None],
        settings: Mapping[str, Any],
        owner: int | None = None,
        root: Path | None = None,
    ) -> None:
        self._path, self._start, self._settings = path, start, settings
        self._owner, self._root = owner, root
        self._report: Report | None = None
        self._connecting = threading.Lock()  # one thread connects; the others wait for it
        self._client: RpcClient | None = None
        self.hello: Mapping[str, Any] = {}

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that is not known to be lost."""
        client = self._client
        return client is not None and not client.is_lost

    def watch(self, report: Report) -> None:
        """Call `report` with the agent's later observations. Raises TargetUnavailable."""
        self._report = report
        self.ask("subscribe")

    def submit(self, jobs: Sequence[Job]) -> None:
        """Give jobs to the agent. Raises TargetUnavailable."""
        self.ask("submit", jobs=[encode_job(job) for job in jobs])

    def observe(self, names: Collection[str] | None) -> dict[str, Observation]:
        """The observations of the named jobs, or of all jobs. Raises TargetUnavailable."""
        answer = self.ask("observe", names=None if names is None else list(names))
        return {name: self._read(record) for name, record in answer["observations"].items()}

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Make one call and return its answer. Raises TargetUnavailable."""
        client = self._client
        if client is None or client.is_lost:
            client = self._connect()
        return self._call(client, op, fields)

    def end(self) -> None:
        """End the agent, if one answers; its jobs continue, and the next agent finds them."""
        with contextlib.suppress(OSError, TargetUnavailable):
            client = self._client
            if client is None or client.is_lost:
                client = RpcClient(self._dial(), _PEER, lambda _: None, lambda _: None)
                client.start()
            self._call(client, "end", {})
            client.close()

    def close(self) -> None:
        """Close the connection; a later call opens another one."""
        client = self._client
        if client is not None:
            client.close()

    def _connect(self) -> RpcClient:
        with self._connecting:
            if self._client is not None and not self._client.is_lost:
                return self._client  # another thread has connected meanwhile
            client = self._greeted(self._dial_or_start())
            if not self._is_own():
                client.close()
                self._start()
                client = self._greeted(self._dial_or_start())
            self._call(client, "configure", self._settings)
            if self._report is not None:
                self._call(client, "subscribe", {})
            self._client = client
            return client

    def _greeted(self, connection: socket.socket) -> RpcClient:
        """A client whose agent has said who it is."""
        client = RpcClient(
            connection, _PEER, self._on_message, self._on_lost, longest_line=self.longest_line
        )
        client.start()
        self.hello = self._call(client, "hello", {})
        return client

    def _is_own(self) -> bool:
        """Whether the agent serves the expected root. Agents of earlier releases do not say it."""
        served = self.hello.get("root")
        return self._root is None or served in (None, str(self._root))

    def _dial_or_start(self) -> socket.socket:
        try:
            return self._dial()
        except UnsafeFolder as error:
            raise TargetUnavailable(f"{_PEER}: {error}") from error
        except OSError:
            self._start()
        try:
            return self._dial()
        except OSError as error:
            raise TargetUnavailable(f"{_PEER} at {self._path} does not answer") from error

    def _dial(self) -> socket.socket:
        """A new connection. Raises OSError; UnsafeFolder if another user may listen."""
        connection = _dial(self._path)
        if self._owner is not None:
            try:
                check_private(str(self._path.parent), self._owner)
                check_peer(connection, self._owner)
            except OSError:
                connection.close()
                raise
        return connection

    def _read(self, record: Mapping[str, Any]) -> Observation:
        """Decode an observation. Raises ValueError if it is malformed."""
        return Observation.of(record)

    def _call(self, client: RpcClient, op: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return client.call(op, self.answer_seconds, fields)
        except RpcFailed as error:
            raise TargetUnavailable(f"{_PEER} at {self._path}: {error}") from error

    def _on_message(self, message: Mapping[str, Any]) -> None:
        events = message["event"] if isinstance(message["event"], list) else [message["event"]]
        if self._report is not None:
            self._report({event["name"]: self._read(event) for event in events})

    def _on_lost(self, client: RpcClient) -> None:
        """Notify the subscriber that anything may have changed."""
        if self._client is client and self._report is not None:
            self._report({})


def answers(path: Path) -> bool:
    """Whether a process listens at the socket."""
    try:
        _dial(path).close()
    except OSError:
        return False
    return True


def hello_of(path: Path) -> Mapping[str, Any]:
    """What the agent at a socket says of itself; empty if none answers."""
    try:
        with _dial(path) as connection, connection.makefile("rb") as lines:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(b'{"id": 1, "op": "hello"}\n')
            answer = json.loads(lines.readline(LONGEST_LINE))
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _dial(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        with short_path(str(path)) as short:
            connection.connect(short)
    except OSError:
        connection.close()
        raise
    return connection
