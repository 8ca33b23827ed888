"""Offers the service's loopback port in a container that has the service's Unix socket only.

MLflow's client speaks TCP only. In a network namespace of the container's own, the service's port
is free on loopback: connections to it are relayed to the socket. On the host's network the service
itself has the port, and there is no relay.
"""

from __future__ import annotations

import contextlib
import os
import socket
from _thread import start_new_thread  # `threading` takes a millisecond of a container's start

VARIABLE = "DISPATCHER_RELAY"  # "<port>:<path of the socket>"
_PIECE = 1 << 16
_WAITING = 128


def start() -> None:
    """Listen if the environment asks for it and the port is free. Ends with the process."""
    port, _, path = os.environ.get(VARIABLE, "").partition(":")
    if not path:
        return
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", int(port)))
        listener.listen(_WAITING)
    except OSError:
        listener.close()
        return
    start_new_thread(_serve, (listener, path))


def _serve(listener: socket.socket, path: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except ConnectionAbortedError:  # closed before it was accepted
            continue
        start_new_thread(_join, (client, path))


def _join(client: socket.socket, path: str) -> None:
    """Relay both directions until the service or the client closes."""
    with client, socket.socket(socket.AF_UNIX) as service, contextlib.suppress(OSError):
        service.connect(path)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start_new_thread(_pass_on, (client, service))
        _pass_on(service, client)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            data = source.recv(_PIECE)
            if not data:
                break
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
