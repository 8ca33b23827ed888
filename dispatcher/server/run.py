"""Runs a service process: locks its data folder, listens, and ends cleanly on SIGTERM.

`service.json` (mode 0600) in the data folder says where the service listens and holds the owner's
token. The process holds a lock on `service.lock` while it lives: a second service on the same
folder refuses to start, and clients see whether one is running.
"""

import asyncio
import gc
import json
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from dispatcher.agent.file_limit import raise_file_limit
from dispatcher.core.errors import DispatcherError
from dispatcher.server import copied_folder, linked_copy
from dispatcher.server.app import create_app
from dispatcher.server.data_folder import (
    AlreadyRunning,
    DataFolder,
    Whereabouts,
    lock_file,
)
from dispatcher.server.folder_watch import FolderWatch
from dispatcher.server.listeners import ServiceSocket, tcp, url_of
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from dispatcher.store.content.disk import write_private
from dispatcher.wire.identity import ServiceIdentity
from dispatcher.wire.sockets import UnsafeFolder

__all__ = ["AlreadyRunning", "serve"]

END_JOBS_SECONDS = 10.0
LONGEST_DATABASE_PATH = 504  # bytes that SQLite takes
MOST_CONNECTIONS = 50_000
RESERVED_FILES = 128  # open files that connections of clients leave free

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, or until the data folder is moved or deleted.

    Raises AlreadyRunning, StoreUnavailable; DispatcherError if it cannot listen.
    """
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    # What the service writes is its user's alone; jobs keep the umask that the user has set.
    # The same holds for the limit of open files, which is raised for the service alone.
    job_files = raise_file_limit()
    settings = settings.model_copy(
        update={"job_umask": os.umask(0o077), "job_files": settings.job_files or job_files}
    )
    _require_path_for_sqlite(settings)
    folder = DataFolder(settings.data_dir)
    linked_copy.separate_files(settings.data_dir, settings.database_file)
    locks = [lock_file(path) for path in _database_locks(settings)]
    if folder.provenance.copied_from is not None:
        copied_folder.forget_original(settings, folder.provenance)
    listener = tcp(settings)
    service_socket = ServiceSocket(settings, folder.file_id)
    url = url_of(settings, listener)
    token = settings.token or _token(settings.data_dir)
    application = build(settings, url, token, folder)
    try:
        app = create_app(application.services, max_body=settings.max_body_mb << 20)
        port = listener.getsockname()[1]
        announce = partial(_announce, settings, url, token, port, application.services.identity())
        announce()
        folder.record(application.services.service_id)
        folder.watch_database(settings.database_file)
        _serve(app, listener, service_socket, folder, application, announce)
    finally:
        if folder.whereabouts() is Whereabouts.IN_PLACE:
            _withdraw(settings.data_dir)
        application.close()
        for lock in locks:
            os.close(lock)
        folder.close()


def _serve(
    app: Any,
    listener: socket.socket,
    service_socket: ServiceSocket,
    folder: DataFolder,
    application: Application,
    announce: Callable[[], None],
) -> None:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=3,
        limit_concurrency=_most_connections(),
    )
    server = _Server(config, service_socket)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _tune_collector()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _log_signal)  # uvicorn raises it again at its end: we still clean up
    watch = FolderWatch(
        folder,
        partial(_leave, server=server, application=application),
        server.keep_socket,
        lambda: None if (folder.path / "service.json").exists() else announce(),
    )
    watch.start()
    try:
        server.run(sockets=[listener, service_socket.listener])
    finally:
        watch.close()


class _Server(uvicorn.Server):
    """An HTTP server whose Unix socket can be made again."""

    def __init__(self, config: uvicorn.Config, service_socket: ServiceSocket) -> None:
        super().__init__(config)
        self._service_socket = service_socket
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()

    def keep_socket(self) -> None:
        """Listen anew if the socket is gone; from any thread. Raises OSError.

        If another user has taken the folder meanwhile, the service ends: the next one chooses
        another folder, for the agents' sockets as well.
        """
        self._service_socket.keep_private()
        if self._loop is None or self.should_exit or self._service_socket.is_in_place():
            return
        try:
            listener = self._service_socket.renew()
        except UnsafeFolder as error:
            log.warning("the folder of the sockets is not private: %s; the service ends", error)
            self.should_exit = True
            return
        asyncio.run_coroutine_threadsafe(self._add(listener), self._loop).result()
        log.warning("the socket %s was gone; it was made again", self._service_socket.path)

    async def _add(self, listener: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            made: Any = self.config.http_protocol_class
            connection: asyncio.Protocol = made(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return connection

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(protocol, sock=listener))


def _leave(where: Whereabouts, server: uvicorn.Server, application: Application) -> None:
    """End the service, whose folder is lost; the jobs of a moved folder go on."""
    if where is Whereabouts.DELETED:
        application.live_targets.end_all_jobs(END_JOBS_SECONDS)
    server.should_exit = True


def _most_connections() -> int:
    """How many clients are served at once; others are answered 503, and ask again.

    The rest of the limit of open files is for agents, the store, and files of runs.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(32, min(MOST_CONNECTIONS, soft - max(RESERVED_FILES, soft // 4)))


def _tune_collector() -> None:
    """Freeze what was imported, and collect less often.

    Requests of ten thousand runs make millions of objects, none of them in cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _log_signal(number: int, _frame: object) -> None:
    log.info("stopping on signal %s", number)


def _require_path_for_sqlite(settings: Settings) -> None:
    file = settings.database_file
    length = 0 if file is None else len(os.fsencode(file.absolute()))
    if length > LONGEST_DATABASE_PATH:
        raise DispatcherError(
            f"data_dir: the path of the database has {length} bytes, and SQLite takes at most "
            f"{LONGEST_DATABASE_PATH}; move the project to a folder with a shorter path"
        )


def _database_locks(settings: Settings) -> list[Path]:
    """The lock file of a database file that lies outside the data folder."""
    file = settings.database_file
    if file is None or file.parent.resolve() == settings.data_dir.resolve():
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    return [file.with_name(f"{file.name}.lock")]


def _token(data: Path) -> str:
    path = data / "token"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


def _announce(
    settings: Settings, url: str, token: str, port: int, identity: ServiceIdentity
) -> None:
    write_private(settings.data_dir / "port", str(port).encode())
    facts = {"url": url, "socket": str(settings.socket), "token": token, **identity.encoded()}
    write_private(settings.data_dir / "service.json", json.dumps(facts).encode())


def _withdraw(data: Path) -> None:
    """Remove the address, unless it is another service's by now."""
    path = data / "service.json"
    with suppress(OSError, ValueError, KeyError):
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()
