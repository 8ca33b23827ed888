"""JSON-line RPC over a stream socket: the messages, and the side that answers.

A request is one line `{"id": n, "op": text, …}`. Its answer is `{"id": n, "ok": true, …}` or
`{"id": n, "ok": false, "error": text}`; answers may come out of order. The answering side may send
further messages, which have no `id`. The calling side is `dispatcher.wire.rpc_client`.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Mapping, Optional, Tuple, Type

    Message = Mapping[str, Any]

log = logging.getLogger(__name__)


class MessageSender:
    """Sends whole messages over a socket, from any thread.

    Args:
        connection: The connected socket.
        seconds: How long one send may wait for a peer that does not read; None: without limit.
    """

    def __init__(self, connection: socket.socket, seconds: Optional[float] = None) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        if seconds is not None:
            limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def send(self, *messages: Message) -> None:
        """Send messages one after the other.

        Raises:
            OSError: The connection is lost, or the peer did not read in time. A message may have
                been sent in part, so the connection is of no further use.
        """
        data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        with self._lock:
            self._connection.sendall(data)


class RpcSession:
    """Answers the requests of one connection.

    Args:
        connection: The connected socket.
        perform: Carries out a request and returns the fields of its answer. What it raises becomes
            an error answer.
        expected: Errors that are the caller's; all others are logged.
        execute: Runs a call; by default at once, in the reading thread.
    """

    def __init__(
        self,
        connection: socket.socket,
        perform: Callable[[Message], Optional[Message]],
        expected: Tuple[Type[BaseException], ...] = (),
        execute: Optional[Callable[[Callable[[], None]], Any]] = None,
    ) -> None:
        self._sender = MessageSender(connection)
        self._perform = perform
        self._expected = expected
        self._execute = execute

    def serve(self, lines: BinaryIO) -> None:
        """Answer each request until the other side closes. Raises OSError if it is lost.

        Args:
            lines: What is read from the connection.
        """
        for line in lines:
            if self._execute is None:
                self._sender.send(self.answer(line))
            else:
                self._execute(lambda line=line: self._answer_quietly(line))  # type: ignore[misc]

    def send(self, *messages: Message) -> None:
        """Send messages that are no answers. Raises OSError."""
        self._sender.send(*messages)

    def answer(self, line: bytes) -> Message:
        """Carry out the request of a line and return its answer."""
        number = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            number = request.get("id")
            return {"id": number, "ok": True, **(self._perform(request) or {})}
        except Exception as error:
            if not isinstance(error, (ValueError, *self._expected)):
                log.exception("a request failed")
            return {"id": number, "ok": False, "error": _text_of(error, self._expected)}

    def _answer_quietly(self, line: bytes) -> None:
        """Answer, unless the other side is gone: then the reading thread notices it."""
        answer = self.answer(line)
        try:
            self._sender.send(answer)
        except OSError as error:
            log.info("an answer could not be sent: %s", error)


def _text_of(error: Exception, expected: Tuple[Type[BaseException], ...]) -> str:
    text = str(error)
    return text if text and isinstance(error, expected) else f"{type(error).__name__}: {text}"
