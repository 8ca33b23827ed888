"""Runs a service process: locks its data folder, listens, and ends cleanly on SIGTERM.

`service.json` (mode 0600) in the data folder says where the service listens and holds the owner's
token. The process holds a lock on `service.lock` while it lives: a second service on the same
folder refuses to start, and clients see whether one is running.
"""

import fcntl
import gc
import json
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dispatcher.agent.file_limit import raise_file_limit
from dispatcher.core.errors import DispatcherError
from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import build
from dispatcher.wire.sockets import UnsafeFolder, check_private, make_private

LOCK_SECONDS = 1.0
MOST_CONNECTIONS = 50_000
RESERVED_FILES = 128  # open files that connections of clients leave free

log = logging.getLogger(__name__)


class AlreadyRunning(DispatcherError):
    """Another service holds the data folder."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises AlreadyRunning, StoreUnavailable."""
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
    data = settings.data_dir
    _make_data_folder(data)
    locks = [_lock(path) for path in _lock_files(settings)]
    listeners = [_tcp(settings), _unix(settings.socket)]
    port = listeners[0].getsockname()[1]
    url = settings.public_url or f"http://{settings.host}:{port}"
    token = settings.token or _token(data)
    application = build(settings, url, token)
    try:
        app = create_app(application.services, max_body=settings.max_body_mb << 20)
        _announce(data, settings, url, token, application.services.service_id)
        _serve(app, listeners)
    finally:
        (data / "service.json").unlink(missing_ok=True)
        application.close()
        for lock in locks:
            os.close(lock)


def _make_data_folder(data: Path) -> None:
    """Make the data folder private; one of an earlier release was open to other users."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if data.stat().st_uid == os.geteuid():
        data.chmod(0o700)
        for path in data.iterdir():
            if path.is_file() and not path.is_symlink():
                path.chmod(0o600)
    try:
        check_private(str(data), data.stat().st_uid)
    except UnsafeFolder as error:
        raise DispatcherError(f"data_dir: {error}") from error


def _serve(app: Any, listeners: list[socket.socket]) -> None:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=3,
        limit_concurrency=_most_connections(),
    )
    server = uvicorn.Server(config)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _tune_collector()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _log_signal)  # uvicorn raises it again at its end: we still clean up
    server.run(sockets=listeners)


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


def _lock_files(settings: Settings) -> list[Path]:
    """The lock files of the data folder, and of a database file that lies elsewhere."""
    locks = [settings.data_dir / "service.lock"]
    file = settings.database_file
    if file is not None and file.parent.resolve() != settings.data_dir.resolve():
        file.parent.mkdir(parents=True, exist_ok=True)
        locks.append(file.with_name(f"{file.name}.lock"))
    return locks


def _lock(path: Path) -> int:
    """Take the lock. Clients that check whether a service runs hold it for an instant as well."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    patience = Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        stop=stop_after_delay(LOCK_SECONDS),
        wait=wait_fixed(LOCK_SECONDS / 20),
        reraise=True,
    )
    try:
        patience(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        place = path.parent if path.name == "service.lock" else path.with_suffix("")
        raise AlreadyRunning(
            f"a service is already running on {place}; stop it with: dispatcher server stop"
        ) from error
    return descriptor


def _tcp(settings: Settings) -> socket.socket:
    # The protocol is named, or asyncio leaves Nagle's algorithm on: 40 ms for every answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port or _last_port(settings.data_dir)))
    listener.listen(2048)
    return listener


def _last_port(data: Path) -> int:
    """The port of the previous start, if it is free: runs that are alive know it."""
    try:
        port = int((data / "port").read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        return port
    except (OSError, ValueError):
        return 0


def _unix(path: Path) -> socket.socket:
    """Listen on the Unix socket. It is alone in its folder, which containers mount."""
    make_private(str(path.parent.parent))
    path.parent.mkdir(mode=0o711, exist_ok=True)
    path.parent.chmod(0o711)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen(2048)
    return listener


def _token(data: Path) -> str:
    path = data / "token"
    if not path.exists():
        _write(path, secrets.token_urlsafe(32))
    return path.read_text()


def _announce(data: Path, settings: Settings, url: str, token: str, service_id: str) -> None:
    _write(data / "port", url.rpartition(":")[2])
    facts = {
        "url": url,
        "socket": str(settings.socket),
        "token": token,
        "pid": os.getpid(),
        "service_id": service_id,
    }
    _write(data / "service.json", json.dumps(facts))


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner can read it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
