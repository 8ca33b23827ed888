"""The sockets of a service: TCP, and a Unix socket that is made again when it is gone."""

import logging
import os
import socket
import stat
from pathlib import Path

from dispatcher.core.errors import DispatcherError
from dispatcher.server.settings import Settings
from dispatcher.wire import identity
from dispatcher.wire.address import Address
from dispatcher.wire.file_identity import file_id
from dispatcher.wire.sockets import NoSocketFolder, make_private

log = logging.getLogger(__name__)
BACKLOG = 2048
_ASK_SECONDS = 1.0


def tcp(settings: Settings) -> socket.socket:
    """Listen on the configured host and port, else on the port of the previous start.

    Raises:
        DispatcherError: The host is unknown, or the port is taken; the text names the setting.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise DispatcherError(
            f"host: {settings.host!r} cannot be resolved: {error}. Set DISPATCHER_HOST to a name "
            "or address of this machine"
        ) from error
    port = settings.port or _last_port(settings, family)
    # The protocol is named, or asyncio leaves Nagle's algorithm on: 40 ms for every answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address[0], port, *address[2:]))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise DispatcherError(
            f"host, port: cannot listen on {settings.host} port {port}: {error.strerror}. "
            "Set DISPATCHER_HOST to an address of this machine, DISPATCHER_PORT to another port, "
            "or to 0 for any free one"
        ) from error
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """How the service is reached: the configured URL, or host and port. IPv6 has brackets."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{listener.getsockname()[1]}"


class ServiceSocket:
    """The service's Unix socket. It is alone in its folder, which containers mount.

    Args:
        settings: They say where the socket lies.
        own: The data folder's device and inode number.

    Raises:
        DispatcherError: There is no directory in which a socket can be made.
    """

    def __init__(self, settings: Settings, own: tuple[int, int]) -> None:
        self._settings = settings
        try:
            if _is_used_by_other(settings.socket, own):
                self._forget_place()
            self.path = settings.socket
            self.listener = self._listen_here_or_elsewhere()
        except NoSocketFolder as error:
            raise DispatcherError(f"socket: {error}") from error

    def is_in_place(self) -> bool:
        """Whether the socket is still at its path."""
        return file_id(str(self.path)) == self._file_id

    def keep_private(self) -> None:
        """Close the folder of the sockets again if somebody has opened it to other users."""
        folder = self.path.parent.parent
        try:
            status = folder.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & 0o77:
            folder.chmod(0o700)
            log.warning("%s was open to other users; it is private again", folder)

    def renew(self) -> socket.socket:
        """Listen anew at the same path."""
        self.listener = self._listen()
        return self.listener

    def _listen_here_or_elsewhere(self) -> socket.socket:
        """Listen in the recorded folder, or in another one if its disk has no room left."""
        try:
            return self._listen()
        except OSError:
            self._forget_place()
            self.path = self._settings.socket
            return self._listen()

    def _forget_place(self) -> None:
        (self._settings.data_dir / "sockets.json").unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        make_private(str(self.path.parent.parent))
        self.path.parent.mkdir(mode=0o711, exist_ok=True)
        self.path.parent.chmod(0o711)
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        self.path.chmod(0o666)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self._file_id = file_id(str(self.path))
        return listener


def _last_port(settings: Settings, family: int) -> int:
    """The port of the previous start, if it is free: runs that are alive know it."""
    try:
        port = int((settings.data_dir / "port").read_text())
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, port))
        return port
    except (OSError, ValueError, OverflowError):
        return 0


def _is_used_by_other(path: Path, own: tuple[int, int]) -> bool:
    """Whether the service of another data folder listens there."""
    if not os.path.exists(path):
        return False
    answer = identity.ask(Address("", str(path)), _ASK_SECONDS)
    return answer is not None and answer.file_id != own
