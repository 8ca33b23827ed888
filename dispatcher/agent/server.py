"""The agent's protocol on a Unix socket: lines of JSON (docs/protocol.md, section 3)."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import socket
import threading
import time

from dispatcher.agent.node import NodeAgent
from dispatcher.agent.starting.shim import short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

log = logging.getLogger(__name__)
LIVES_LONG = 0.1  # seconds
_PAUSE = 0.1


class AgentServer:
    """Serves one agent.

    Args:
        agent: The agent.
        path: The socket; made with mode 0600, in place of one that was left there.
    """

    def __init__(self, agent: NodeAgent, path: str) -> None:
        self._agent = agent
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._closed = False
        self._open = 0
        making = f"{path}.{os.getpid()}"
        before = os.umask(0o177)
        try:
            self._listener.bind(short_path(making))
        finally:
            os.umask(before)
        self._listener.listen(64)
        os.rename(making, path)  # whoever sees it there can connect

    def serve(self) -> None:
        """Answer until `close`."""
        is_deaf = False
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._closed and not is_deaf:
                    log.warning("nobody new can be heard: %s", error)
                is_deaf = True
                time.sleep(_PAUSE)  # until a descriptor is free: nothing tells of that
                continue
            is_deaf = False
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @property
    def has_clients(self) -> bool:
        """Whether anybody is connected."""
        return self._open > 0

    def _answer(self, connection: socket.socket) -> None:
        self._open += 1
        try:
            _AgentSession(self._agent, connection).serve()
        finally:
            self._open -= 1

    def close(self) -> None:
        """Answer no more."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


class _AgentSession:
    """One who asks. Events wait in a queue, so that one who does not read holds up nobody else."""

    def __init__(self, agent: NodeAgent, connection: socket.socket) -> None:
        self._agent = agent
        self._connection = connection
        self._sending = threading.Lock()
        self._events: queue.SimpleQueue[Optional[Dict[str, Any]]] = queue.SimpleQueue()
        self._unsubscribe: Optional[Callable[[], None]] = None

    def serve(self) -> None:
        """Answer each line until the other side closes."""
        try:
            with self._connection, self._connection.makefile("rb") as lines:
                for line in lines:
                    self._send(json.dumps(self._answer(line)).encode() + b"\n")
        except OSError:
            return
        finally:
            if self._unsubscribe is not None:
                self._unsubscribe()
                self._events.put(None)

    def _answer(self, line: bytes) -> Dict[str, Any]:
        number = None
        try:
            request = json.loads(line)
            number = request.get("id")
            operation = _OPERATIONS.get(request.get("op"))
            if operation is None:
                raise ValueError(f"there is no operation {request.get('op')!r}")
            return {"id": number, "ok": True, **(operation(self, request) or {})}
        except Exception as error:
            if not isinstance(error, (ValueError, KeyError, TypeError)):
                log.exception("a request failed")
            return {"id": number, "ok": False, "error": f"{type(error).__name__}: {error}"}

    def hello(self, _request: Mapping[str, Any]) -> Dict[str, Any]:
        return self._agent.hello()

    def configure(self, request: Mapping[str, Any]) -> None:
        self._agent.configure(
            request.get("service"), request.get("log_limit"), request.get("lease")
        )

    def submit(self, request: Mapping[str, Any]) -> None:
        self._agent.submit(request["jobs"])

    def observe(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        return {"observations": self._agent.observe(request.get("names"))}

    def subscribe(self, _request: Mapping[str, Any]) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self._agent.subscribe(self._events.put)
            threading.Thread(target=self._tell, daemon=True).start()

    def stop(self, request: Mapping[str, Any]) -> None:
        self._agent.stop(request["names"], float(request.get("grace", 10)))

    def remove(self, request: Mapping[str, Any]) -> None:
        self._agent.remove(request["names"])

    def renew(self, _request: Mapping[str, Any]) -> None:
        self._agent.renew()

    def _tell(self) -> None:
        """Send events, as many at once as there are.

        That a job lives is told a little later, and not at all if it has ended by then: whoever
        hears has half the work with short jobs. A script that asks to be parked before that is
        known to run by asking.
        """
        later: Dict[str, Tuple[float, Dict[str, Any]]] = {}
        going = True
        while going:
            told = self._gather(later)
            going = None not in told
            for event in told:
                if event is not None and event["state"] == "alive":
                    later[event["name"]] = (time.monotonic() + LIVES_LONG, event)
                elif event is not None:
                    later.pop(event["name"], None)
            now = time.monotonic()
            due = [name for name, (at, _) in later.items() if at <= now or not going]
            lines = [event for event in told if event is not None and event["state"] != "alive"]
            lines += [later.pop(name)[1] for name in due]
            try:
                self._send("".join(json.dumps({"event": e}) + "\n" for e in lines).encode())
            except OSError:
                return

    def _gather(
        self, later: Mapping[str, Tuple[float, Dict[str, Any]]]
    ) -> List[Optional[Dict[str, Any]]]:
        """The events that are there; wait for one, but not past what is due."""
        told: List[Optional[Dict[str, Any]]] = []
        first = min((at for at, _ in later.values()), default=None)
        pause = None if first is None else max(0.0, first - time.monotonic())
        with contextlib.suppress(queue.Empty):
            told.append(self._events.get(timeout=pause))
            while True:
                told.append(self._events.get_nowait())
        return told

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._connection.sendall(data)


_OPERATIONS: Dict[str, Callable[[_AgentSession, Mapping[str, Any]], Optional[Dict[str, Any]]]] = {
    "hello": _AgentSession.hello,
    "configure": _AgentSession.configure,
    "submit": _AgentSession.submit,
    "observe": _AgentSession.observe,
    "subscribe": _AgentSession.subscribe,
    "stop": _AgentSession.stop,
    "remove": _AgentSession.remove,
    "renew": _AgentSession.renew,
}
