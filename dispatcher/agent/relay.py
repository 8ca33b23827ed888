"""The service's port in a container that is given the service's Unix socket, and no network.

MLflow's client knows TCP alone. In a network of the container's own, the loopback port of the
service is free: who connects to it there is joined with the socket. On the host's network the
service itself has it, and there is nothing to do.
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
    """Listen, if the environment says so and nobody else does. It ends with the process."""
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
        except ConnectionAbortedError:  # hung up before it was taken
            continue
        start_new_thread(_join, (client, path))


def _join(client: socket.socket, path: str) -> None:
    """Pass on what either side says until the service, or the client, has hung up."""
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
