"""Workspaces: where they are found, and how their service is started once and found again."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher import Workspace
from dispatcher.client.api import service, service_lock
from dispatcher.client.errors import (
    ComputeTargetException,
    ServerUnreachable,
    UserErrorException,
    WorkspaceException,
)
from dispatcher.client.v1.compute.targets import ComputeTarget
from tests.unit.fake_server import serving
from tests.unit.fake_service import workspace_of

PLAIN = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}

EMBEDDED = """
import fcntl, http.server, json, os, sys
folder = sys.argv[1]
with open(os.path.join(folder, "starts"), "a") as file:
    file.write(f"{os.getpid()}\\n")
lock = open(os.path.join(folder, "service.lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = os.stat(folder)
        place = {"folder": folder, "device": status.st_dev, "inode": status.st_ino}
        process = {"pid": os.getpid(), "started": 1, "boot_id": "b", "host": "h"}
        who = {"service_id": "x", "version": "0", "in_place": True, **place, **process}
        body = json.dumps(who).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
told = {"url": f"http://127.0.0.1:{server.server_port}", "socket": None, "token": "t"}
with open(os.path.join(folder, "service.json.new"), "w") as file:
    json.dump({**told, "pid": os.getpid(), "service_id": "x"}, file)
os.rename(os.path.join(folder, "service.json.new"), os.path.join(folder, "service.json"))
server.serve_forever()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder whose service is a small program; it is ended with the test."""
    program = tmp_path / "embedded.py"
    program.write_text(EMBEDDED)
    monkeypatch.setattr(service, "_command", lambda folder: [sys.executable, str(program), folder])
    monkeypatch.setattr(service, "_require_server", lambda: None)
    folder = tmp_path / "data"
    yield folder
    for pid in starts(folder):
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def starts(folder: Path) -> list[int]:
    path = folder / "starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def write(path: Path, told: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))


def test_an_ancestors_azureml_folder_beats_a_plain_file_close_by(tmp_path: Path) -> None:
    here = tmp_path / "a" / "b"
    write(here / "config.json", {**PLAIN, "workspace_name": "close"})
    assert Workspace.from_config(str(here)).name == "close"
    write(tmp_path / "aml_config" / "config.json", {**PLAIN, "workspace_name": "old"})
    assert Workspace.from_config(str(here)).name == "old"
    write(tmp_path / ".azureml" / "project.json", {**PLAIN, "workspace_name": "project"})
    assert Workspace.from_config(str(here)).name == "project"
    write(tmp_path / ".azureml" / "config.json", {**PLAIN, "workspace_name": "far"})
    found = Workspace.from_config(str(here))
    assert found.name == "far"
    assert found.data_folder == str(tmp_path / ".dispatcher")
    assert Workspace.from_config(str(here / "config.json")).name == "close"


@pytest.mark.parametrize("told", [{}, {"Scope": "/subscriptions/s"}, {"subscription_id": "s"}, []])
def test_a_broken_configuration_is_refused(tmp_path: Path, told: object) -> None:
    write(tmp_path / "config.json", told)

    with pytest.raises(UserErrorException):
        Workspace.from_config(str(tmp_path / "config.json"))


def test_no_configuration_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserErrorException, match=r"Workspace\.create"):
        Workspace.from_config(str(tmp_path))


def test_a_written_configuration_finds_the_same_workspace(tmp_path: Path) -> None:
    made = Workspace.create("w", subscription_id="s", resource_group="g")
    made.write_config(str(tmp_path / "project"))

    told = json.loads((tmp_path / "project" / ".azureml" / "config.json").read_text())
    found = Workspace.from_config(str(tmp_path / "project"))
    assert told["Scope"].endswith("/workspaces/w")
    assert (found.subscription_id, found.resource_group, found.name) == ("s", "g", "w")
    assert found.data_folder == made.data_folder


def test_a_workspace_is_made_once(tmp_path: Path) -> None:
    made = Workspace.create("w", path=str(tmp_path / "mine"))
    with pytest.raises(WorkspaceException, match="exist_ok"):
        Workspace.create("w")

    assert Workspace.create("w", exist_ok=True).data_folder == made.data_folder
    assert made.data_folder == str(tmp_path / "mine" / ".dispatcher")
    assert Workspace.get("w").data_folder == made.data_folder
    assert Workspace("local", "local", "w").data_folder == made.data_folder
    assert list(Workspace.list()) == ["w"]
    made.delete()
    with pytest.raises(WorkspaceException):
        Workspace.get("w")
    with pytest.raises(WorkspaceException):
        Workspace("other", "local", "w")


def test_folders_that_name_one_workspace_by_its_ids_find_one_data_folder(tmp_path: Path) -> None:
    made = Workspace.create("w", subscription_id="s", resource_group="g", path=str(tmp_path / "a"))
    write(tmp_path / "b" / "notebooks" / "config.json", PLAIN)
    write(tmp_path / "c" / ".azureml" / "config.json", {**PLAIN, "workspace_name": "W"})

    assert Workspace.from_config(str(tmp_path / "b" / "notebooks")).data_folder == made.data_folder
    assert not (tmp_path / "b" / "notebooks" / ".dispatcher").exists()
    assert Workspace.from_config(str(tmp_path / "c")).data_folder != made.data_folder


def test_the_advice_for_a_workspace_that_is_not_there_leads_to_it(tmp_path: Path) -> None:
    azure = {"subscription_id": "00000000-1111-2222-3333-444444444444", "resource_group": "team"}
    with pytest.raises(WorkspaceException) as refused:
        Workspace.get("w", **azure)
    assert "Workspace.create('w')" in str(refused.value)

    made = Workspace.create("w")

    for found in (Workspace.get("w", **azure), Workspace(*azure.values(), "w")):
        assert (found.name, found.data_folder) == ("w", made.data_folder)


def test_targets_are_shown_by_name(tmp_path: Path) -> None:
    with serving() as fake:
        workspace = workspace_of(fake, tmp_path)
        fake.targets["gpu-compute"] = {"name": "gpu-compute", "kind": "docker", "gpus": ["0"]}

        assert workspace.compute_targets["gpu-compute"].type == "docker"
        gpu, cpu = map(workspace.get_default_compute_target, ("GPU", "CPU"))
        assert gpu is not None
        assert cpu is not None
        assert (gpu.name, cpu.name) == ("gpu-compute", "local")
        assert workspace.get_details()["workspaceid"] == "fake"
        with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
            ComputeTarget(workspace, "nowhere")


def test_many_clients_start_one_service(data: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(service.find_or_start(str(data)).url))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(starts(data)) == 1
    assert len(set(found)) == 1
    assert len(found) == 8


def test_a_service_that_was_killed_is_started_anew(data: Path) -> None:
    first = service.find_or_start(str(data))
    os.kill(starts(data)[0], signal.SIGKILL)
    os.waitpid(starts(data)[0], 0)

    assert service.find(str(data)) is None
    assert service.find_or_start(str(data)).url != first.url
    assert len(starts(data)) == 2


def test_a_service_on_its_way_out_is_followed_by_a_new_one(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.mkdir(parents=True, exist_ok=True)
    leaving = (data / "service.lock").open("w")  # it has withdrawn its address, and is not gone yet
    fcntl.flock(leaving, fcntl.LOCK_EX)
    is_locked = service_lock.is_locked
    seen: list[bool] = []

    def look(folder: str) -> bool:
        seen.append(is_locked(folder))
        leaving.close()
        return seen[-1]

    monkeypatch.setattr(service_lock, "is_locked", look)
    assert service.find_or_start(str(data)).url
    assert (seen[0], len(starts(data))) == (True, 1)


def test_a_service_that_does_not_come_up_shows_its_log(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = [sys.executable, "-c", "raise SystemExit('no port left')"]
    monkeypatch.setattr(service, "_command", lambda _: crash)

    with pytest.raises(ServerUnreachable, match=r"exit code 1(.|\n)*no port left"):
        service.find_or_start(str(data))


def test_without_the_server_the_way_to_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ServerUnreachable, match="pip install compute-target-dispatcher"):
        service.find_or_start(str(tmp_path / "data"))


def test_a_remote_service_needs_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_TOKEN", "owner")
    with serving() as fake:
        write(tmp_path / ".azureml" / "config.json", {**PLAIN, "service_url": fake.url})
        workspace = Workspace.from_config(str(tmp_path))

        assert workspace.experiments == {}
        assert workspace.location == fake.url
        assert not (tmp_path / ".dispatcher").exists()


def test_a_name_that_no_folder_can_have_is_refused_with_the_limit() -> None:
    with pytest.raises(WorkspaceException, match=r"300 bytes; .* at most 200"):
        Workspace.create("ü" * 150)
