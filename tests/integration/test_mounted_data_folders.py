"""Data folders on read-only media, of other users, and of services with a /tmp of their own."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.client.api import service, service_folder
from dispatcher.client.errors import ServerUnreachable
from dispatcher.core.errors import DispatcherError
from dispatcher.server.listeners import ServiceSocket
from dispatcher.server.settings import Settings
from dispatcher.wire.process_identity import ProcessIdentity, start_ticks
from tests.rigs import missing

READ_ONLY = """
import sys
from dispatcher.client.api import service
from dispatcher.client.errors import ServerUnreachable
try:
    service.find_or_start(sys.argv[1])
except ServerUnreachable as error:
    print(error.message)
"""


def test_a_data_folder_on_read_only_media_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / ".dispatcher").mkdir()
    missing.root("mounting a folder")
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
    mounted = f'{mount} && exec "$2" -c "$3" "$1"/.dispatcher'
    words = ["sh", "-c", mounted, "sh", str(tmp_path), sys.executable, READ_ONLY]
    shown = subprocess.run(
        ["unshare", "--mount", *words], check=True, capture_output=True, text=True
    ).stdout

    assert f"No service of {tmp_path}/.dispatcher" in shown
    assert "Read-only file system. " in shown
    assert "Copy the project to a disk that can be written" in shown


def test_a_data_folder_of_another_user_is_named_with_both_users(tmp_path: Path) -> None:
    data = tmp_path / "project" / ".dispatcher"
    missing.root("giving a folder to another user")
    data.mkdir(parents=True)
    refused = PermissionError(errno.EACCES, "Permission denied")
    os.chown(data, 4711, 4711)

    text = service_folder.why_not_writable(str(data), refused)

    assert "The folder belongs to user 4711, and this is user 0." in text
    assert f"sudo chown -R 0 {tmp_path}/project" in text


def test_the_socket_of_a_service_with_a_private_temporary_directory_is_found(
    tmp_path: Path,
) -> None:
    missing.root("mounting a folder")
    place = tmp_path / "tmp"
    place.mkdir()
    script = f"mount -t tmpfs none {place} && mkdir -m 700 {place}/s && touch {place}/s/socket"
    unit = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{script} && echo ready && exec sleep 600"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert unit.stdout is not None
        assert unit.stdout.readline() == "ready\n"
        facts = {**ProcessIdentity.own().encoded(), "pid": unit.pid}
        facts["started"] = start_ticks(unit.pid)

        path = service.visible_socket(f"{place}/s/socket", facts)
    finally:
        unit.kill()
        unit.wait()

    assert path == f"/proc/{unit.pid}/root{place}/s/socket"
    assert service.visible_socket(f"{place}/s/socket", facts) == f"{place}/s/socket"


SOCKET = """
import sys
from pathlib import Path
from dispatcher.client.errors import ServerUnreachable
from dispatcher.core.errors import DispatcherError
from dispatcher.server.listeners import ServiceSocket
from dispatcher.server.settings import Settings
for word in sys.argv[2:]:
    if word == "fill":
        for number in range(100):
            try:
                open(f"/tmp/{number}", "w")
            except OSError:
                break
        continue
    try:
        made = ServiceSocket(Settings(data_dir=Path(sys.argv[1])), (0, 0))
        print(made.path.parents[2], made.path.exists())
        made.listener.close()
    except DispatcherError as error:
        print(error)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that stays where another /tmp is mounted."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder) / "data"


def listen_with_small_tmp(data: Path, *words: str) -> list[str]:
    """Make the service's socket where /tmp has room for twelve files; print where it is."""
    missing.root("mounting a folder")
    small = "mount -t tmpfs -o nr_inodes=12 none /tmp"
    script = f'{small} && exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", SOCKET, str(data), *words]
    shown = subprocess.run(
        ["unshare", "--mount", *command], check=True, capture_output=True, text=True
    ).stdout
    return shown.splitlines()


def test_sockets_lie_elsewhere_where_the_temporary_directory_has_no_room(data: Path) -> None:
    shown = listen_with_small_tmp(data, "fill", "listen", "listen")

    assert shown == ["/var/tmp True", "/var/tmp True"]


def test_a_recorded_folder_without_room_for_a_socket_is_given_up(data: Path) -> None:
    assert listen_with_small_tmp(data, "listen") == ["/tmp True"]  # it is gone with its /tmp

    assert listen_with_small_tmp(data, "fill", "listen") == ["/var/tmp True"]


def test_without_a_directory_for_sockets_the_service_says_which_it_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.wire.sockets._parents", lambda: iter([str(tmp_path / "gone")]))

    with pytest.raises(DispatcherError, match=r"gone: No such file .*; set TMPDIR to a directory"):
        ServiceSocket(Settings(data_dir=tmp_path / "data"), (0, 0))


def as_other_user(code: str, *arguments: str) -> str:
    """Run code with the rights of user 4711; what it raises is printed."""
    missing.root("running a program as another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(4711)
        os.setuid(4711)
        try:
            exec(code, {"arguments": arguments})
        except (DispatcherError, ServerUnreachable) as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


def test_a_user_is_told_that_root_has_worked_in_the_project(data: Path) -> None:
    data.parent.chmod(0o755)
    data.mkdir()
    (data / "signing.key").write_text("key")
    os.chown(data, 4711, 4711)
    code = "from pathlib import Path\nfrom dispatcher.server.data_folder import DataFolder\n"

    text = as_other_user(code + "DataFolder(Path(arguments[0]))", str(data))

    assert f"{data}/signing.key belongs to user 0, and this service is of user 4711" in text
    assert f"sudo chown -R 4711 {data.parent}" in text


def test_a_user_is_told_at_once_that_the_service_is_of_root(data: Path) -> None:
    data.parent.chmod(0o755)
    data.mkdir()
    (data / "service.json").write_text("{}")
    (data / "service.json").chmod(0o600)
    os.chown(data, 4711, 4711)
    code = "from dispatcher.client.api import service\nservice.find_or_start(arguments[0])"

    text = as_other_user(code, str(data))

    assert f"The service of {data} belongs to user 0, and this is user 4711" in text


def test_a_folder_of_sockets_that_was_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    made = ServiceSocket(Settings(data_dir=tmp_path / "data"), (0, 0))
    folder = made.path.parents[1]
    try:
        folder.chmod(0o777)
        made.keep_private()

        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        made.listener.close()
        shutil.rmtree(folder)


SAME_FOLDER = """
import logging, sys
from dispatcher.client.v1.workspaces import config, registry
logging.basicConfig(stream=sys.stdout, format="%(message)s")
for folder in sys.argv[1:]:
    found = registry.resolve(config.find_in(folder))
    print(found.name)
"""


def test_a_folder_that_is_mounted_at_two_places_is_one_workspace(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing.root("mounting a folder")
    one, other = data / "one", data / "other"
    for folder in (one / ".azureml", one / ".dispatcher", other):
        folder.mkdir(parents=True)
    ids = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
    (one / ".azureml" / "config.json").write_text(json.dumps(ids))
    monkeypatch.setenv("DISPATCHER_HOME", str(data / "home"))

    mounted = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$1" "$2"'
    words = ["sh", "-c", mounted, "sh", str(one), str(other), sys.executable, SAME_FOLDER]
    shown = subprocess.run(
        ["unshare", "--mount", *words], check=True, capture_output=True, text=True
    ).stdout

    assert shown == "w\nw\n"
