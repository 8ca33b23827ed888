"""The agent's protocol on a Unix socket: JSON-line RPC (docs/protocol.md, section 3)."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
import time

from dispatcher.agent.node import NodeAgent
from dispatcher.wire.file_identity import file_id
from dispatcher.wire.rpc import RpcSession
from dispatcher.wire.sockets import make_private, short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

log = logging.getLogger(__name__)
ALIVE_DELAY_SECONDS = 0.1
_PAUSE = 0.1


class AgentServer:
    """Serves one agent.

    Args:
        agent: The agent.
        path: The socket; created with mode 0600, in place of an old one.
        end: Called when a caller ends the agent.
    """

    def __init__(self, agent: NodeAgent, path: str, end: Callable[[], None]) -> None:
        self._agent = agent
        self._end = end
        self._path = path
        self._closed = False
        self._open = 0
        self._listener = self._listen()

    def serve(self) -> None:
        """Accept connections until `close`, or until the socket was made again."""
        listener, is_exhausted = self._listener, False
        while not self._closed and listener is self._listener:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                is_current = not self._closed and listener is self._listener
                if is_current and not is_exhausted:
                    log.warning("the agent cannot accept connections: %s", error)
                is_exhausted = True
                time.sleep(_PAUSE)  # until a descriptor is free; the kernel does not notify of that
                continue
            is_exhausted = False
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def keep_socket(self) -> None:
        """Make the socket again if it is gone, as after a cleanup of the temporary directory."""
        if file_id(self._path) == self._file_id:
            return
        try:
            folder = os.path.dirname(self._path)
            if not os.path.isdir(folder):
                make_private(folder)
            before, self._listener = self._listener, self._listen()
        except OSError as error:
            log.warning("the socket %s is gone and cannot be made again: %s", self._path, error)
            return
        log.warning("the socket %s was gone; it was made again", self._path)
        threading.Thread(target=self.serve, name="server", daemon=True).start()
        with contextlib.suppress(OSError):
            before.shutdown(socket.SHUT_RDWR)
        before.close()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        making = f"{self._path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(making)
        before = os.umask(0o177)
        try:
            with short_path(making) as path:
                listener.bind(path)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        listener.listen(64)
        os.rename(making, self._path)  # it accepts connections as soon as it has its name
        self._file_id = file_id(self._path)
        return listener

    @property
    def has_clients(self) -> bool:
        """Whether a caller is connected."""
        return self._open > 0

    def _answer(self, connection: socket.socket) -> None:
        self._open += 1
        try:
            _AgentSession(self._agent, connection, self._end).serve()
        finally:
            self._open -= 1

    def close(self) -> None:
        """Stop accepting connections."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if file_id(self._path) == self._file_id:  # else it is another agent's
            os.unlink(self._path)


class _AgentSession:
    """One connected caller. A caller that does not read its events delays no other caller."""

    def __init__(
        self, agent: NodeAgent, connection: socket.socket, end: Callable[[], None]
    ) -> None:
        self._agent = agent
        self._end = end
        self._connection = connection
        self._rpc = RpcSession(connection, self._perform, expected=(KeyError, TypeError))
        self._events: queue.SimpleQueue[Optional[Dict[str, Any]]] = queue.SimpleQueue()
        self._unsubscribe: Optional[Callable[[], None]] = None

    def serve(self) -> None:
        """Answer each request until the other side closes."""
        try:
            with self._connection, self._connection.makefile("rb") as lines:
                self._rpc.serve(lines)
        except OSError:
            return
        finally:
            if self._unsubscribe is not None:
                self._unsubscribe()
                self._events.put(None)

    def _perform(self, request: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
        operation = _OPERATIONS.get(str(request.get("op")))
        if operation is None:
            raise ValueError(f"op: unknown operation {request.get('op')!r}")
        return operation(self, request)

    def hello(self, _request: Mapping[str, Any]) -> Dict[str, Any]:
        return self._agent.hello()

    def configure(self, request: Mapping[str, Any]) -> None:
        self._agent.configure(
            request.get("service"),
            request.get("log_limit"),
            request.get("lease"),
            request.get("caches"),
        )

    def submit(self, request: Mapping[str, Any]) -> None:
        self._agent.submit(request["jobs"])

    def observe(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        return {"observations": self._agent.observe(request.get("names"))}

    def subscribe(self, _request: Mapping[str, Any]) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self._agent.subscribe(self._events.put)
            threading.Thread(target=self._send_events, daemon=True).start()

    def stop(self, request: Mapping[str, Any]) -> None:
        self._agent.stop(request["names"], float(request.get("grace", 10)))

    def remove(self, request: Mapping[str, Any]) -> None:
        self._agent.remove(request["names"])

    def renew(self, _request: Mapping[str, Any]) -> None:
        self._agent.renew()

    def end(self, _request: Mapping[str, Any]) -> None:
        self._end()

    def _send_events(self) -> None:
        """Send events, as many at once as there are.

        That a job lives is sent 0.1 s later, and not at all if the job has ended by then: that
        halves the work of a caller that starts short jobs. A job that asks to be parked before its
        start is known finds that the service asks for it.
        """
        delayed: Dict[str, Tuple[float, Dict[str, Any]]] = {}
        is_open = True
        while is_open:
            events = self._gather(delayed)
            is_open = None not in events
            for event in events:
                if event is not None and event["state"] == "alive":
                    delayed[event["name"]] = (time.monotonic() + ALIVE_DELAY_SECONDS, event)
                elif event is not None:
                    delayed.pop(event["name"], None)
            now = time.monotonic()
            due = [name for name, (at, _) in delayed.items() if at <= now or not is_open]
            ready = [event for event in events if event is not None and event["state"] != "alive"]
            ready += [delayed.pop(name)[1] for name in due]
            try:
                self._rpc.send(*({"event": event} for event in ready))
            except OSError:
                return

    def _gather(
        self, delayed: Mapping[str, Tuple[float, Dict[str, Any]]]
    ) -> List[Optional[Dict[str, Any]]]:
        """The queued events; waits for one, but not beyond the time of a delayed one."""
        events: List[Optional[Dict[str, Any]]] = []
        first = min((at for at, _ in delayed.values()), default=None)
        pause = None if first is None else max(0.0, first - time.monotonic())
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=pause))
            while True:
                events.append(self._events.get_nowait())
        return events


_OPERATIONS: Dict[str, Callable[[_AgentSession, Mapping[str, Any]], Optional[Dict[str, Any]]]] = {
    "hello": _AgentSession.hello,
    "configure": _AgentSession.configure,
    "submit": _AgentSession.submit,
    "observe": _AgentSession.observe,
    "subscribe": _AgentSession.subscribe,
    "stop": _AgentSession.stop,
    "remove": _AgentSession.remove,
    "renew": _AgentSession.renew,
    "end": _AgentSession.end,
}
