"""A small HTTP client for the service, over its Unix socket or its URL."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

JSON = "application/json"
FRAMES = "application/x-dispatcher-frames"
CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 20.0


class ServiceAway(Exception):
    """The service could not be reached, or cannot answer just now: ask again later."""


class ServiceRefused(Exception):
    """The service will not do it, however often it is asked.

    Attributes:
        status: The HTTP status, 4xx.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status


# Not the request is at fault but the moment: who asks, how often, how fast.
_LATER = frozenset({401, 408, 409, 425, 429})
_CONFLICT = frozenset({409})


class Service:
    """A kept-open connection to the service; for one thread.

    Args:
        address: `socket`, else `url`; and `token`.
    """

    def __init__(self, address: Mapping[str, Any]) -> None:
        self._socket: Optional[str] = address.get("socket")
        self._url = urllib.parse.urlsplit(address.get("url") or "http://localhost")
        self._headers = {"Authorization": f"Bearer {address.get('token') or ''}"}
        self._connection: Optional[http.client.HTTPConnection] = None

    def get(self, path: str) -> http.client.HTTPResponse:
        """GET, and the answer to read from.

        Raises:
            ServiceAway: It could not be reached.
            ServiceRefused: It said 4xx.
        """
        return self._request("GET", path, None, {})

    def post_frames(self, path: str, frames: List[Tuple[Dict[str, Any], bytes]]) -> Any:
        """POST frames (docs/protocol.md, section 1); the answer's JSON. Raises as `get` does."""
        parts = []
        for header, data in frames:
            parts += [json.dumps({**header, "size": len(data)}).encode(), b"\n", data]
        return self._answered("POST", path, b"".join(parts), FRAMES)

    def post_json(self, path: str, body: Any) -> Any:
        """POST JSON; the answer's JSON. Raises as `get` does; a conflict is refused for good."""
        return self._answered("POST", path, json.dumps(body).encode(), JSON, final=_CONFLICT)

    def put(self, path: str, data: bytes) -> Any:
        """PUT bytes; the answer's JSON. Raises as `get` does."""
        return self._answered("PUT", path, data, "application/octet-stream")

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answered(
        self, method: str, path: str, body: bytes, kind: str, final: FrozenSet[int] = frozenset()
    ) -> Any:
        answer = self._request(method, path, body, {"Content-Type": kind}, final)
        try:
            return json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            raise ServiceAway(str(error)) from error

    def _request(
        self,
        method: str,
        path: str,
        body: Optional[bytes],
        headers: Dict[str, str],
        final: FrozenSet[int] = frozenset(),
    ) -> http.client.HTTPResponse:
        try:
            answer = self._try(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ServiceAway(str(error)) from error
        if answer.status < 300:
            return answer
        detail = self._detail(answer)
        if answer.status < 500 and (answer.status not in _LATER or answer.status in final):
            raise ServiceRefused(answer.status, detail)
        raise ServiceAway(f"HTTP {answer.status}: {detail}")

    def _try(
        self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> http.client.HTTPResponse:
        kept = self._connection is not None
        try:
            return self._ask(method, path, body, headers)
        except (OSError, http.client.HTTPException):
            if not kept:
                raise
            self.close()  # it may just have been idle for too long
            return self._ask(method, path, body, headers)

    def _ask(
        self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._open()
        target = f"{self._url.path.rstrip('/')}/api/v1{path}"
        self._connection.request(method, target, body, {**self._headers, **headers})
        return self._connection.getresponse()

    def _open(self) -> http.client.HTTPConnection:
        if self._socket:
            return _UnixConnection(self._socket)
        is_safe = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if is_safe else http.client.HTTPConnection
        host = self._url.hostname or "localhost"
        connection = kind(host, self._url.port, timeout=CONNECT_TIMEOUT)
        connection.connect()
        connection.sock.settimeout(ANSWER_TIMEOUT)
        return connection

    def _detail(self, answer: http.client.HTTPResponse) -> str:
        try:
            body = answer.read(1 << 16)
            return str(json.loads(body).get("detail", ""))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            self.close()
            return ""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_TIMEOUT)
        self.sock.connect(self._path)
