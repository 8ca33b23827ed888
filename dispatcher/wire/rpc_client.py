"""The calling side of the JSON-line RPC (`dispatcher.wire.rpc`)."""

from __future__ import annotations

import json
import logging
import socket
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime

from dispatcher.wire.rpc import MessageSender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Mapping

log = logging.getLogger(__name__)
SEND_SECONDS = 10.0
LONGEST_LINE = 1 << 28  # bytes


class RpcFailed(Exception):
    """The peer answered with an error, did not answer in time, or is gone. The text says which."""


class RpcTimeout(RpcFailed):
    """The peer did not answer in time; it may still carry out the call."""


class RpcClient:
    """Calls over one connection. Any thread may call; no lock is held while a call waits.

    Args:
        connection: The connected socket; the client closes it.
        peer: What the other side is called in errors.
        on_message: Called in the client's thread with each message that is not an answer. If it
            raises ValueError, LookupError, TypeError or AttributeError, the connection is closed.
        on_lost: Called once when the connection is lost or closed, after all pending calls failed.
        send_seconds: How long sending a request may wait for a peer that does not read.
        longest_line: Bytes of the longest message that is accepted.
    """

    def __init__(
        self,
        connection: socket.socket,
        peer: str,
        on_message: Callable[[Dict[str, Any]], None],
        on_lost: Callable[[RpcClient], None],
        send_seconds: float = SEND_SECONDS,
        longest_line: int = LONGEST_LINE,
    ) -> None:
        self._connection, self._peer = connection, peer
        self._on_message, self._on_lost = on_message, on_lost
        self._longest_line = longest_line
        self._sender = MessageSender(connection, send_seconds)
        self._lock = threading.Lock()  # of the next three
        self._pending: Dict[int, Future[Dict[str, Any]]] = {}
        self._next = 0
        self._is_lost = False

    def start(self) -> None:
        """Begin to read answers, in a thread of the client's own."""
        threading.Thread(target=self.run, name=f"rpc {self._peer}", daemon=True).start()

    def call(self, op: str, seconds: float, fields: Mapping[str, Any]) -> Dict[str, Any]:
        """Make one call and return its answer.

        Args:
            op: The operation.
            seconds: How long to wait for the answer.
            fields: The fields of the request.

        Raises:
            RpcTimeout: There was no answer in time.
            RpcFailed: The peer refused the call, or is gone.
        """
        future: Future[Dict[str, Any]] = Future()
        with self._lock:
            if self._is_lost:
                raise RpcFailed(f"{self._peer} is gone")
            self._next += 1
            number = self._next
            self._pending[number] = future
        try:
            self._send({"id": number, "op": op, **fields})
            return future.result(seconds)
        except NotInTime as error:
            raise RpcTimeout(f"{self._peer} did not answer {op} in {seconds:g} s") from error
        finally:
            with self._lock:
                self._pending.pop(number, None)

    @property
    def is_lost(self) -> bool:
        """Whether the connection is lost or closed: then no call succeeds any more."""
        return self._is_lost

    def close(self) -> None:
        """Close the connection; pending calls fail."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already

    def run(self) -> None:
        """Read answers until the connection is lost; for a caller that has a thread for it."""
        try:
            with self._connection.makefile("rb") as lines:
                while line := lines.readline(self._longest_line):
                    self._receive(json.loads(line))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            log.info("connection to %s lost", self._peer, exc_info=True)
        self._lose()

    def _send(self, request: Mapping[str, Any]) -> None:
        try:
            self._sender.send(request)
        except OSError as error:
            self.close()  # half a request is of no use to the peer
            raise RpcFailed(f"{self._peer} is gone: {error}") from error

    def _receive(self, message: Dict[str, Any]) -> None:
        if "id" not in message:
            self._on_message(message)
            return
        with self._lock:
            future = self._pending.pop(message["id"], None)
        if future is None:
            return  # nobody waits for it any more
        if message.get("ok"):
            future.set_result(message)
        else:
            future.set_exception(RpcFailed(str(message.get("error"))))

    def _lose(self) -> None:
        with self._lock:
            self._is_lost = True
            pending, self._pending = self._pending, {}
        self._connection.close()
        for future in pending.values():
            future.set_exception(RpcFailed(f"{self._peer} is gone"))
        self._on_lost(self)
