"""Finding the service of a workspace, and starting the embedded one when it does not run.

`<data>/service.json` says where it is. It counts only if the service that answers there says that
this folder is its data folder and still in its place: the file may be older than the last boot, or
a copy. Clients that start a service queue on `<data>/service.start.lock`, so however many come at
once, one service starts.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time

from dispatcher.client.api import service_folder, service_lock
from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.errors import ServerUnreachable
from dispatcher.wire import identity
from dispatcher.wire.address import Address
from dispatcher.wire.hard_links import separate
from dispatcher.wire.process_identity import ProcessIdentity
from dispatcher.wire.sockets import UnsafeFolder, check_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Mapping, Optional, Tuple

    from dispatcher.wire.identity import ServiceIdentity

# What starts the service, where this code runs in a Python that lacks what the service needs.
SERVICE_PYTHON = "DISPATCHER_SERVICE_PYTHON"
_PACKAGES = ("fastapi", "uvicorn", "pydantic", "sqlalchemy", "typer", "docker", "ray")
START_SECONDS = 60.0  # a loaded machine takes some tens of them
ASK_SECONDS = 5.0
_LOOK_EVERY = 0.02


def connect_embedded(data_folder: str, address: Mapping[str, str]) -> ApiConnection:
    """Reach the embedded service of a data folder; start it if it is not alive.

    Args:
        data_folder: The folder.
        address: The workspace's `workspace`, `subscription` and `resource_group`: what runs are
            told of where they belong, when the service has to be started.

    Raises:
        ServerUnreachable: It is not installed here, runs on another host, or did not come up; the
            text says which.
    """
    found = find_or_start(data_folder, address)

    def relocate() -> Address:
        if not os.path.isdir(data_folder):
            raise ServerUnreachable(
                f"The workspace's folder {data_folder} is gone. If it was moved, open the "
                "workspace at its new place: Workspace.from_config() in the moved folder."
            )
        return find_or_start(data_folder, address)

    connection = ApiConnection(
        found,
        relocate=relocate,
        advice=f"See {os.path.join(data_folder, 'service.log')}.",
    )
    connection.is_on_this_machine = True
    return connection


def connect_remote(url: str) -> ApiConnection:
    """Reach a service by its URL, with the token of DISPATCHER_TOKEN or ~/.dispatcher/token."""
    return ApiConnection(
        Address(url, token=_remote_token()),
        advice="Check `service_url` in the workspace's config.json, or that the service runs.",
    )


def find(data_folder: str) -> Optional[Address]:
    """Return the address of the living service of a data folder, or None."""
    found = identify(data_folder)
    return found[0] if found is not None and found[1].is_in_place else None


def identify(data_folder: str) -> Optional[Tuple[Address, ServiceIdentity]]:
    """Return the address and the identity of the living service of a data folder, or None.

    A service whose folder was moved under it still answers; its identity says so, and it ends.
    """
    address = _read_address(data_folder)
    answer = None if address is None else identity.ask(address, ASK_SECONDS)
    if address is None or answer is None or not answer.serves(data_folder):
        return None
    return address, answer


def find_or_start(data_folder: str, settings: Optional[Mapping[str, str]] = None) -> Address:
    """Return the address of the living service of a data folder; start it if there is none.

    Args:
        data_folder: The folder; it is created if it is missing, but its parent is not.
        settings: Settings for one that is started here, beside those of the environment.

    Raises:
        ServerUnreachable: It runs on another host, cannot be started, or did not come up; or the
            folder cannot be written.
    """
    address = find(data_folder)
    if address is not None:
        return address
    import fcntl

    service_folder.make(data_folder)
    with service_folder.open_to_start(data_folder) as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)  # a holder gives up after START_SECONDS
        address = find(data_folder)
        if address is not None:
            return address
        return _start_until_healthy(data_folder, settings or {})


def _read_address(data_folder: str) -> Optional[Address]:
    try:
        with open(os.path.join(data_folder, "service.json"), encoding="utf-8") as file:
            settings, uid = json.load(file), os.fstat(file.fileno()).st_uid
        path = visible_socket(settings.get("socket"), settings)
        if path and os.path.exists(path):
            check_private(os.path.dirname(os.path.dirname(path)), uid)
        return Address(settings["url"], path, settings["token"], peer_uid=uid)
    except PermissionError as error:
        raise ServerUnreachable(service_folder.why_not_readable(data_folder, error)) from error
    except UnsafeFolder as error:
        raise ServerUnreachable(f"The service's socket cannot be trusted: {error}.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there, or being written right now: as good as not started


def visible_socket(path: Optional[str], facts: Mapping[str, Any]) -> Optional[str]:
    """The path at which a socket is seen from here.

    A service with a private temporary directory, as units of systemd may have, is reached through
    the root directory of its process.
    """
    if not path or os.path.exists(path):
        return path
    process = ProcessIdentity.of(facts)
    within = f"/proc/{process.pid}/root{path}"
    return within if process.is_alive_here and os.path.exists(within) else path


def _start(data_folder: str, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    _require_server()
    with _open_log(data_folder) as log:
        return subprocess.Popen(
            _command(data_folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=data_folder,
            env={**_environment(), **{f"DISPATCHER_{k.upper()}": v for k, v in settings.items()}},
            start_new_session=True,
        )


def _command(data_folder: str) -> list[str]:
    python = os.environ.get(SERVICE_PYTHON) or sys.executable
    run = ["-m", "dispatcher.cli.main", "server", "run"]
    return [python, *run, "--data-dir", data_folder]


def _environment() -> dict[str, str]:
    """The environment of the service: ours, able to import what we imported.

    Entries of PYTHONPATH stand before the standard library. So only those stay that have packages
    of the service: a user's own `queue.py` or `logging.py` must not end it.
    """
    root = os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AZUREML_")}
    entries = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    needed = [entry for entry in entries if entry != root and _has_packages_of_service(entry)]
    environment["PYTHONPATH"] = os.pathsep.join([root, *needed])
    return environment


def _has_packages_of_service(entry: str) -> bool:
    return any(os.path.isfile(os.path.join(entry, name, "__init__.py")) for name in _PACKAGES)


def _open_log(data_folder: str) -> IO[bytes]:
    path = os.path.join(data_folder, "service.log")
    separate(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _require_server() -> None:
    from importlib.util import find_spec

    if os.environ.get(SERVICE_PYTHON):
        return
    for module in ("dispatcher.cli", "fastapi", "uvicorn"):
        if find_spec(module) is None:
            raise ServerUnreachable(
                f"This workspace's service does not run, and it cannot be started here: {module} "
                "is not installed. Install it with `pip install compute-target-dispatcher`, or "
                "name a running service as `service_url` in the workspace's config.json."
            )


def _start_until_healthy(data_folder: str, settings: Mapping[str, str]) -> Address:
    """Wait for the service that there is, and start one as soon as there is none: the one that
    holds the folder may be coming up, or may be on its way out.
    """
    deadline = time.monotonic() + START_SECONDS
    starter: Optional[subprocess.Popen[bytes]] = None
    service_lock.require_reachable(data_folder)
    log_start = _log_size(data_folder)
    while time.monotonic() < deadline:
        address = find(data_folder)
        if address is not None:
            if starter is not None:
                _forget(starter)
                _note_copy(data_folder)
            return address
        if starter is None and not service_lock.is_locked(data_folder):
            starter = _start(data_folder, settings)
        if starter is None:
            time.sleep(_LOOK_EVERY)
            continue
        try:
            code = starter.wait(timeout=_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            continue
        if service_lock.is_locked(data_folder):  # another service holds the folder: wait for it
            starter = None
            continue
        raise ServerUnreachable(
            f"The service ended with exit code {code} while starting."
            f"{_log_end(data_folder, log_start)}"
        )
    raise ServerUnreachable(
        f"The service of {data_folder} did not answer within {START_SECONDS:g} s."
        f"{service_lock.describe_holder(data_folder)}{_log_end(data_folder, log_start)}"
    )


def _note_copy(data_folder: str) -> None:
    """Tell the user that a copied workspace was separated from its original."""
    found = identify(data_folder)
    if found is not None and found[1].copied_from:
        logging.getLogger("dispatcher").warning(
            "%s was copied from %s. It is a workspace of its own now; runs that had not ended when "
            "it was copied go on in the original, and ended here.",
            data_folder,
            found[1].copied_from,
        )


def _forget(starter: Optional[subprocess.Popen[bytes]]) -> None:
    if starter is not None:
        starter.returncode = 0  # it outlives us on purpose: no ResourceWarning about that


def _log_size(data_folder: str) -> int:
    try:
        return os.path.getsize(os.path.join(data_folder, "service.log"))
    except OSError:
        return 0


def _log_end(data_folder: str, start: int) -> str:
    """The last lines of the service's log, from an offset on."""
    path = os.path.join(data_folder, "service.log")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            file.seek(start if os.path.getsize(path) > start else 0)
            lines = file.readlines()[-15:]
    except OSError:
        return f" It left no log at {path}."
    return f" The last lines of {path}:\n" + "".join(lines)


def _remote_token() -> str:
    token = os.environ.get("DISPATCHER_TOKEN")
    if token:
        return token
    home = os.path.expanduser("~")
    if not os.path.isabs(home):  # HOME is not set, and the user has no entry in /etc/passwd
        return ""
    path = os.path.join(home, ".dispatcher", "token")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""
