"""The address of a service, and the sockets that reach it."""

from __future__ import annotations

import http.client
import os
import socket

from dispatcher.wire.sockets import check_peer, short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, Optional

PREFIX = "/api/v1"
_ONE_WRITE_BYTES = 1 << 16
_LOOPBACK = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")


class Address:
    """Where a service is reached, and the token that it accepts.

    Args:
        url: `http://host:port` or `https://…`, with or without `/api/v1`. Empty: the service is
            reached by its Unix socket alone.
        socket_path: The service's Unix socket on this machine. A service at a loopback URL is then
            reached by its socket alone: while it is away, its port may be another program's, which
            must not get the token. Other services are reached by the socket while the file exists.
        token: The bearer token.
        peer_uid: The user that must listen on the socket; None: whoever does.
    """

    def __init__(
        self,
        url: str,
        socket_path: Optional[str] = None,
        token: str = "",
        peer_uid: Optional[int] = None,
    ) -> None:
        self.url = url.rstrip("/")
        if self.url.endswith(PREFIX):
            self.url = self.url[: -len(PREFIX)]
        self.socket_path = socket_path
        self.token = token
        self.peer_uid = peer_uid

    @classmethod
    def from_mapping(cls, fields: Mapping[str, Any]) -> Address:
        """Make an address of the fields `url`, `socket` and `token`; each may be missing."""
        return cls(fields.get("url") or "", fields.get("socket"), fields.get("token") or "")

    @property
    def path_prefix(self) -> str:
        """The path below which the service's API lies; a proxy may add a folder before it."""
        host_and_path = self.url.partition("://")[2]
        _, slash, path = host_and_path.partition("/")
        return f"{slash}{path}{PREFIX}"

    def connect(self, timeout: float) -> HttpConnection:
        """Make a connection object, which connects with its first request.

        Args:
            timeout: Seconds that connecting, and each read or write, may take.
        """
        if self.socket_path and self._uses_socket(self.socket_path):
            return _UnixConnection(self.socket_path, timeout, self.peer_uid)
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return _TlsConnection(parts.netloc, timeout=timeout)
        return _TcpConnection(parts.netloc, timeout=timeout)

    def _uses_socket(self, path: str) -> bool:
        return not self.url or self.url.startswith(_LOOPBACK) or os.path.exists(path)

    def __str__(self) -> str:
        if self.socket_path and self._uses_socket(self.socket_path):
            return f"{self.url} (socket {self.socket_path})".lstrip()
        return self.url


class HttpConnection(http.client.HTTPConnection):
    """Sends head and body of a small request with one write, so the service wakes up once."""

    _held: Optional[bytearray] = None

    def write_request(
        self, method: str, target: str, body: Optional[bytes], headers: Mapping[str, str]
    ) -> None:
        """Send a request; the connection connects first if it is not connected."""
        if body is None or len(body) > _ONE_WRITE_BYTES:
            self.request(method, target, body, headers)
            return
        self._held = bytearray()
        try:
            self.request(method, target, body, headers)
            request = self._held
        finally:
            self._held = None
        self.send(request)

    def send(self, data: Any) -> None:
        """Send bytes, or keep them until the request is complete."""
        if self._held is None:
            super().send(data)
        else:
            self._held += data


class _UnixConnection(HttpConnection):
    def __init__(self, path: str, timeout: float, peer_uid: Optional[int]) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path, self._peer_uid = path, peer_uid

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_path(self._path) as path:
            self.sock.connect(path)
        if self._peer_uid is not None:
            check_peer(self.sock, self._peer_uid)


class _TcpConnection(HttpConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if hasattr(http.client, "HTTPSConnection"):  # a Python that was built without TLS lacks it

    class _TlsConnection(HttpConnection, http.client.HTTPSConnection):
        pass
