"""The address of a service, and the sockets that reach it."""

from __future__ import annotations

import http.client
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, Optional

PREFIX = "/api/v1"


class Address:
    """Where a service is reached, and the token that it accepts.

    Args:
        url: `http://host:port` or `https://…`, with or without `/api/v1`. Empty: the service is
            reached by its Unix socket alone.
        socket_path: The service's Unix socket on this machine. It is preferred while the file
            exists: it needs neither a port nor TCP.
        token: The bearer token.
    """

    def __init__(self, url: str, socket_path: Optional[str] = None, token: str = "") -> None:
        self.url = url.rstrip("/")
        if self.url.endswith(PREFIX):
            self.url = self.url[: -len(PREFIX)]
        self.socket_path = socket_path
        self.token = token

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

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """Make a connection object, which connects with its first request.

        Args:
            timeout: Seconds that connecting, and each read or write, may take.
        """
        if self.socket_path and (not self.url or os.path.exists(self.socket_path)):
            return _UnixConnection(self.socket_path, timeout)
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.netloc, timeout=timeout)
        return _TcpConnection(parts.netloc, timeout=timeout)

    def __str__(self) -> str:
        if self.socket_path and (not self.url or os.path.exists(self.socket_path)):
            return f"{self.url} (socket {self.socket_path})".lstrip()
        return self.url


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
