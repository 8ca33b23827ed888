"""The one HTTP connection to a service, used by the client and by the node agent.

Each thread keeps one open connection. A call is retried while the service cannot answer. A call
that changes something carries an `Idempotency-Key`, so a retry after a lost answer does not carry
it out twice.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import threading
import time

from dispatcher.wire import encoding
from dispatcher.wire.errors import RequestRefused, ServiceUnavailable
from dispatcher.wire.file_identity import file_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        Dict,
        FrozenSet,
        Iterator,
        Mapping,
        Optional,
        Sequence,
        Tuple,
        Union,
    )

    from dispatcher.wire.address import Address, HttpConnection

    Query = Sequence[Tuple[str, Union[str, int, float]]]

CALL_SECONDS = 60.0
CONNECT_SECONDS = 10.0
OVERLOADED = frozenset({429, 502, 503, 504})
_LONG_WAIT_SECONDS = 0.2
_MAX_ERROR_BODY = 1 << 16


class Answer:
    """An answer of the service.

    Attributes:
        status: The HTTP status, below 300.
        headers: The headers; their names are in lower case.
        body: The whole body.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The decoded JSON body."""
        return encoding.loads(self.body)


class ServiceConnection:
    """Calls one service. Threads may share the object.

    Args:
        address: Where the service is.
        relocate: Returns the address anew. It is called after a lost connection, because an
            embedded service may have been restarted under another port.
        retry_seconds: For how long a call is retried. 0: one attempt, and one more if a kept
            connection had been closed by the service.
        call_seconds: How long the service may take for an answer, unless a call says otherwise.
        retried: The HTTP statuses that mean "try again later".
        on_request, on_answer: Called before each attempt, and with the status of each answer.
    """

    def __init__(
        self,
        address: Address,
        relocate: Optional[Callable[[], Address]] = None,
        retry_seconds: float = 0.0,
        call_seconds: float = CALL_SECONDS,
        retried: FrozenSet[int] = OVERLOADED,
        on_request: Optional[Callable[[], None]] = None,
        on_answer: Optional[Callable[[int], None]] = None,
    ) -> None:
        self.address = address
        self._relocate = relocate
        self._retry_seconds = retry_seconds
        self._call_seconds = call_seconds
        self._retried = retried
        self._on_request, self._on_answer = on_request, on_answer
        self._local = threading.local()

    def get(self, path: str, query: Query = (), timeout: Optional[float] = None) -> Any:
        """Read JSON. Raises as `send` does."""
        return self.send("GET", path, query=query, timeout=timeout).json()

    def post(
        self, path: str, body: Any = None, query: Query = (), timeout: Optional[float] = None
    ) -> Any:
        """Send JSON under a new idempotency key and return the decoded answer."""
        return self.send(
            "POST", path, query, encoding.dumps({} if body is None else body), key=_new_key(),
            timeout=timeout,
        ).json()  # fmt: skip

    def ask(
        self,
        path: str,
        body: Any,
        timeout: Optional[float] = None,
        final: FrozenSet[int] = frozenset(),
    ) -> Any:
        """Send JSON with a POST that is idempotent by itself: without a key.

        Args:
            final: Statuses that are refusals in this call, although they are usually retried.
        """
        data = encoding.dumps(body)
        return self.send("POST", path, (), data, timeout=timeout, final=final).json()

    def patch(self, path: str, body: Any) -> Any:
        """Change fields under a new idempotency key and return the decoded answer."""
        return self.send("PATCH", path, (), encoding.dumps(body), key=_new_key()).json()

    def delete(self, path: str, query: Query = (), timeout: Optional[float] = None) -> Any:
        """Delete something under a new idempotency key; return the decoded answer, if any."""
        answer = self.send("DELETE", path, query, key=_new_key(), timeout=timeout)
        return answer.json() if answer.body else None

    def put_bytes(self, path: str, data: bytes, query: Query = ()) -> Any:
        """PUT bytes that are addressed by content and offset; return the decoded answer."""
        return self.send("PUT", path, query, data, content_type=encoding.BYTES).json()

    def post_frames(self, path: str, body: bytes, timeout: Optional[float] = None) -> Any:
        """Send frames. They are addressed by hash or offset, so a retry needs no key."""
        return self.send(
            "POST", path, (), body, content_type=encoding.FRAMES, timeout=timeout
        ).json()

    def send(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Optional[bytes] = None,
        content_type: str = encoding.JSON,
        key: Optional[str] = None,
        timeout: Optional[float] = None,
        extra: Optional[Mapping[str, str]] = None,
        final: FrozenSet[int] = frozenset(),
    ) -> Answer:
        """Send one request until it is answered, and read the whole answer.

        Args:
            method: The HTTP method.
            path: The path below `/api/v1`.
            query: The query's pairs.
            body: The body, encoded.
            content_type: What the body is.
            key: The idempotency key.
            timeout: Seconds until an attempt counts as lost; default: the connection's.
            extra: Further headers.
            final: Statuses that are refusals in this call, although they are usually retried.

        Raises:
            ServiceUnavailable: There was no answer within the time for retries.
            RequestRefused: The service answered with an error status.
        """
        headers = dict(extra or {})
        if body is not None:
            headers["Content-Type"] = content_type
        if key:
            headers["Idempotency-Key"] = key
        request = _Request(method, path + _encoded(query), headers, body, final)
        seconds = timeout or self._call_seconds
        answer: Answer = self._retrying(lambda: self._exchange(request, seconds))
        return answer

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Query = (), timeout: Optional[float] = None
    ) -> Iterator[http.client.HTTPResponse]:
        """GET a body that is read in the block, piece by piece.

        Only the request is retried; an interrupted body raises OSError or HTTPException.
        Raises as `send` does.
        """
        request = _Request("GET", path + _encoded(query), {}, None, frozenset())
        response = self._retrying(lambda: self._request(request, timeout or self._call_seconds))
        try:
            yield response
        finally:
            if not response.isclosed() or response.will_close:
                self.close()

    def close(self) -> None:
        """Close this thread's connection; the next call opens a new one."""
        connection = self._connection()
        self._local.kept = None
        if connection is not None:
            connection.close()

    def _retrying(self, attempt: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + self._retry_seconds
        for number in range(10**6):
            is_new, began = self._connection() is None, time.monotonic()
            failure: Exception
            try:
                return attempt()
            except _RetryLater as later:
                failure = later
            except (OSError, http.client.HTTPException) as error:
                if self._was_long_wait(error, began):
                    deadline = time.monotonic() + self._retry_seconds
                self.close()
                failure = error
                if not is_new and number == 0:
                    continue  # the service had closed the kept connection
            self._pause(number, deadline, failure)
        raise AssertionError("unreachable")

    def _exchange(self, request: _Request, timeout: float) -> Answer:
        response = self._request(request, timeout)
        data = response.read()
        if response.will_close:
            self.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, data)

    def _request(self, request: _Request, timeout: float) -> http.client.HTTPResponse:
        """Make one attempt; return a response whose status is below 300."""
        if self._on_request is not None:
            self._on_request()
        self._local.sent = False
        connection = self._connection() or self._connect(timeout)
        assert connection.sock is not None
        connection.sock.settimeout(timeout)
        headers = {**request.headers, "Authorization": f"Bearer {self.address.token}"}
        target = self.address.path_prefix + request.target
        connection.write_request(request.method, target, request.body, headers)
        self._local.sent = True
        response = connection.getresponse()
        if self._on_answer is not None:
            self._on_answer(response.status)
        if response.status < 300:
            return response
        kind, detail = _error_of(response)
        if not response.isclosed() or response.will_close:
            self.close()
        if response.status in self._retried and response.status not in request.final:
            raise _RetryLater(response.status, detail)
        raise RequestRefused(response.status, kind, detail)

    def _connect(self, timeout: float) -> HttpConnection:
        connection = self.address.connect(min(timeout, CONNECT_SECONDS))
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.timeout = timeout
        self._local.kept = (os.getpid(), connection, file_id(connection.sock.fileno()))
        return connection

    def _connection(self) -> Optional[HttpConnection]:
        kept = getattr(self._local, "kept", None)
        if kept is None:
            return None
        connection: HttpConnection = kept[1]
        if connection.sock is not None and file_id(connection.sock.fileno()) != kept[2]:
            # The script has closed it, as daemons do. The number may be one of its own files now.
            connection.sock.detach()
            connection.sock = None
        if kept[0] != os.getpid():  # after a fork the socket is the parent's
            return None
        return connection if connection.sock is not None else None

    def _was_long_wait(self, error: Exception, began: float) -> bool:
        """Whether the service had held the call open for a while and then was gone.

        The loss of a long wait does not count as time in which the service was away.
        """
        held = time.monotonic() - began >= _LONG_WAIT_SECONDS
        return held and bool(self._local.sent) and not isinstance(error, socket.timeout)

    def _pause(self, number: int, deadline: float, failure: Exception) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            status = failure.status if isinstance(failure, _RetryLater) else None
            raise ServiceUnavailable(
                str(failure) or type(failure).__name__, self._retry_seconds, status
            ) from failure
        time.sleep(min(left, random.uniform(0.5, 1.0) * min(2.0, 0.05 * 2 ** min(number, 6))))
        if self._relocate is not None and self._connection() is None:
            self.address = self._relocate()


class _Request:
    __slots__ = ("body", "final", "headers", "method", "target")

    def __init__(
        self,
        method: str,
        target: str,
        headers: Dict[str, str],
        body: Optional[bytes],
        final: FrozenSet[int],
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.final = final


class _RetryLater(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status


def _error_of(response: http.client.HTTPResponse) -> Tuple[str, str]:
    """The kind and the detail of an error's body; of a proxy's page, its text."""
    data = response.read(_MAX_ERROR_BODY)
    detail = data.decode("utf-8", "replace")
    try:
        fields = encoding.loads(data)
        return str(fields.get("error", "")), str(fields.get("detail", detail))
    except (ValueError, AttributeError):
        return "", detail


def _new_key() -> str:
    return os.urandom(16).hex()


def _encoded(query: Query) -> str:
    if not query:
        return ""
    from urllib.parse import urlencode

    return "?" + urlencode(list(query))
