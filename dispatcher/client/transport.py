"""One service, called over HTTP: a kept connection per thread, retries, errors as exceptions.

A call that changes something carries an `Idempotency-Key`, so a retry after a lost answer cannot
do it twice. The Unix socket is preferred where its file is there; it needs no port and no TCP.
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import threading
import time

from dispatcher.client import errors, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Mapping, NoReturn, Optional, Sequence, Tuple, Union

    Query = Sequence[Tuple[str, Union[str, int, float]]]

PREFIX = "/api/v1"
RETRY_SECONDS = 30.0
CALL_SECONDS = 60.0
_BUSY = (429, 502, 503, 504)
_HELD_SECONDS = 0.2


class Address:
    """Where a service is and what opens it.

    Args:
        url: `http://host:port` or `https://…`, with or without `/api/v1`.
        socket_path: Its Unix socket, if it has one on this machine.
        token: The bearer token.
    """

    def __init__(self, url: str, socket_path: Optional[str] = None, token: str = "") -> None:
        self.url = url.rstrip("/")
        if self.url.endswith(PREFIX):
            self.url = self.url[: -len(PREFIX)]
        self.socket_path = socket_path
        self.token = token

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """Make a connection object; it connects with its first request."""
        if self.socket_path and os.path.exists(self.socket_path):
            return _UnixConnection(self.socket_path, timeout)
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.netloc, timeout=timeout)
        return _TcpConnection(parts.netloc, timeout=timeout)

    def __str__(self) -> str:
        if self.socket_path and os.path.exists(self.socket_path):
            return f"{self.url} (socket {self.socket_path})"
        return self.url


class Answer:
    """What came back: status, headers in lower case, body."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The decoded JSON body."""
        return wire.loads(self.body)


class Transport:
    """Calls one service.

    Args:
        address: Where it is.
        relocate: Asked for the address again after a lost connection: an embedded service may
            have been started anew, under another port.
        retry_seconds: How long the service may be away before a call raises `ServerUnreachable`.
        way_out: What the user can do when it stays unreachable; part of that error's text.
    """

    def __init__(
        self,
        address: Address,
        relocate: Optional[Callable[[], Address]] = None,
        retry_seconds: float = RETRY_SECONDS,
        way_out: str = "Check that the service runs and that this machine can reach it.",
    ) -> None:
        self.address = address
        self._relocate = relocate
        self._retry_seconds = retry_seconds
        self._way_out = way_out
        self._local = threading.local()

    def get(self, path: str, query: Query = (), timeout: float = CALL_SECONDS) -> Any:
        """Read JSON. Raises ServiceException when refused, ServerUnreachable without answer."""
        return self.send("GET", path, query=query, timeout=timeout).json()

    def post(
        self, path: str, body: Any = None, query: Query = (), timeout: float = CALL_SECONDS
    ) -> Any:
        """Send JSON, once however often it is retried, and return the decoded answer."""
        return self.send(
            "POST", path, query, wire.dumps({} if body is None else body), key=_new_key(),
            timeout=timeout,
        ).json()  # fmt: skip

    def ask(self, path: str, body: Any, timeout: float = CALL_SECONDS) -> Any:
        """Send JSON with a POST that changes nothing twice: without an idempotency key."""
        return self.send("POST", path, (), wire.dumps(body), timeout=timeout).json()

    def patch(self, path: str, body: Any) -> Any:
        """Change fields, once however often it is retried, and return the decoded answer."""
        return self.send("PATCH", path, (), wire.dumps(body), key=_new_key()).json()

    def delete(self, path: str) -> None:
        """Delete something, once however often it is retried."""
        self.send("DELETE", path, key=_new_key())

    def post_frames(self, path: str, body: bytes) -> Any:
        """Send frames; they are addressed by hash or offset, so a retry is harmless without key."""
        return self.send("POST", path, (), body, content_type=wire.FRAMES).json()

    def send(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Optional[bytes] = None,
        content_type: str = wire.JSON,
        key: Optional[str] = None,
        timeout: float = CALL_SECONDS,
        extra: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        """Send one request until it is answered; `extra` are further headers.

        Raises:
            ServerUnreachable: Not answered within `retry_seconds`.
            ServiceException: Answered with an error status (AuthenticationException for 401).
        """
        target = PREFIX + path + _encoded(query)
        headers = dict(extra or {})
        if body is not None:
            headers["Content-Type"] = content_type
        if key:
            headers["Idempotency-Key"] = key
        deadline = time.monotonic() + self._retry_seconds
        for attempt in range(10**6):
            reason = None  # type: Any
            fresh, began = self._connection() is None, time.monotonic()
            try:
                answer = self._once(method, target, body, headers, timeout)
                if answer.status < 400:
                    return answer
                if answer.status not in _BUSY:
                    _refuse(answer)
                reason = f"status {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                if self._was_there(error, began):
                    deadline = time.monotonic() + self._retry_seconds
                self.close()
                reason = error
                if not fresh and attempt == 0:
                    continue  # the kept connection had gone stale: ask again at once
            self._pause(attempt, deadline, reason)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close this thread's connection; the next call opens a new one."""
        connection = self._connection()
        self._local.kept = None
        if connection is not None:
            connection.close()

    def _connection(self) -> Optional[http.client.HTTPConnection]:
        kept = getattr(self._local, "kept", None)
        if kept is None or kept[0] != os.getpid():  # after a fork the socket is the parent's
            return None
        connection: http.client.HTTPConnection = kept[1]
        return connection

    def _was_there(self, error: Exception, began: float) -> bool:
        """Whether the service held the connection for a while, and then was gone: a long wait that
        is cut off has not used up any patience.
        """
        held = time.monotonic() - began >= _HELD_SECONDS and not isinstance(error, socket.timeout)
        return held and bool(self._local.sent)

    def _once(
        self,
        method: str,
        target: str,
        body: Optional[bytes],
        headers: Dict[str, str],
        timeout: float,
    ) -> Answer:
        connection, self._local.sent = self._connection(), False
        if connection is None:
            connection = self.address.connect(timeout)
            self._local.kept = (os.getpid(), connection)
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.timeout = timeout
        token = {"Authorization": f"Bearer {self.address.token}"}
        connection.request(method, target, body=body, headers={**headers, **token})
        self._local.sent = True
        response = connection.getresponse()
        data = response.read()
        if response.will_close:
            self.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, data)

    def _pause(self, attempt: int, deadline: float, reason: object) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            cause = reason if isinstance(reason, Exception) else None
            raise errors.ServerUnreachable(
                f"The service at {self.address} does not answer ({reason}), tried for "
                f"{self._retry_seconds:g} s. {self._way_out}",
                inner_exception=cause,
            ) from cause
        time.sleep(min(left, random.uniform(0.5, 1.0) * min(2.0, 0.05 * 2 ** min(attempt, 6))))
        if self._relocate is not None and self._connection() is None:
            self.address = self._relocate()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _TcpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _new_key() -> str:
    return os.urandom(16).hex()


def _encoded(query: Query) -> str:
    if not query:
        return ""
    from urllib.parse import urlencode

    return "?" + urlencode(list(query))


def _refuse(answer: Answer) -> NoReturn:
    kind, detail = "", answer.body.decode("utf-8", "replace")
    try:
        told = answer.json()
        kind, detail = str(told.get("error", "")), str(told.get("detail", detail))
    except (ValueError, AttributeError):
        pass  # not this service's JSON (a proxy's page): its text is all there is
    if answer.status == 401:
        raise errors.AuthenticationException(
            f"{detail or 'The service does not accept the token.'} The token of a remote service "
            "comes from DISPATCHER_TOKEN or ~/.dispatcher/token."
        )
    raise errors.ServiceException(detail, status_code=answer.status, error_type=kind)
