"""A project that is moved goes on, a copied one is a workspace of its own, a deleted one ends."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dispatcher import Experiment, ScriptRunConfig, Workspace
from dispatcher.client.api import service, stopping
from dispatcher.client.errors import ServerUnreachable
from dispatcher.client.v1.runs.run import Run
from tests.rigs import missing, processes
from tests.rigs.desk import Desk
from tests.rigs.waiting import until

LOGS = """
import os, sys, time
from dispatcher import Run
run = Run.get_context()
print("before", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
run.log("after", 1)
run.tag("told", "after")
print("after", flush=True)
os.makedirs("outputs", exist_ok=True)
open("outputs/file.txt", "w").write("kept")
"""


def submit(folder: Path, source: str, *arguments: str) -> Run:
    workspace = Workspace.from_config(str(folder))
    config = ScriptRunConfig(source, script="main.py", arguments=list(arguments))
    return Experiment(workspace, "acceptance").submit(config)


def identity_of(folder: Path) -> dict[str, object]:
    found = service.identify(str(folder / ".dispatcher"))
    assert found is not None
    return found[1].encoded()


def close(folder: Path) -> None:
    """End the service and the agents of a workspace, and delete its folder."""
    if (folder / ".dispatcher").exists():
        stopping.stop_service(str(folder / ".dispatcher"))
        stopping.stop_agents(str(folder / ".dispatcher"))
    shutil.rmtree(folder, ignore_errors=True)


def test_a_moved_project_goes_on_with_its_runs_and_leaves_nothing_behind(own: Desk) -> None:
    moved, go = own.root / "moved", own.root / "go"
    own.further.append(moved)
    run = own.submit(own.source("logs", main=LOGS), str(go))
    until(lambda: run.get_status() == "Running", "the run runs")
    before = identity_of(own.folder)

    own.folder.rename(moved)
    later = submit(moved, own.source("quick", main="print('a line')\n"))
    later.wait_for_completion()
    go.touch()
    again = Workspace.from_config(str(moved)).get_run(run.id)
    again.wait_for_completion()

    assert identity_of(moved)["service_id"] == before["service_id"]
    assert again.get_metrics() == {"after": 1}
    assert again.get_tags() == {"told": "after"}
    assert "outputs/file.txt" in again.get_file_names()
    logs = later.get_details_with_logs()["logFiles"]
    assert "a line" in logs["user_logs/std_log.txt"]
    assert not own.folder.exists()
    assert stopping.stop_service(str(moved / ".dispatcher"))
    assert Workspace.get("desk").data_folder == str(moved / ".dispatcher")
    close(moved)


def test_who_holds_a_workspace_that_was_moved_is_told_and_makes_nothing_at_the_old_place(
    own: Desk,
) -> None:
    moved = own.root / "moved"
    own.further.append(moved)
    own.folder.rename(moved)
    until(lambda: not service.service_lock.is_locked(str(moved / ".dispatcher")), "it has ended")

    with pytest.raises(ServerUnreachable, match=r"is gone\. If it was moved"):
        list(own.experiment.get_runs())

    assert not own.folder.exists()
    close(moved)


def test_a_copied_project_is_a_workspace_of_its_own(own: Desk) -> None:
    copy, go = own.root / "copy", own.root / "go"
    own.further.append(copy)
    active = own.submit(own.source("logs", main=LOGS), str(go))
    until(lambda: active.get_status() == "Running", "the run runs")
    shutil.copytree(own.folder, copy, ignore=shutil.ignore_patterns("*.sock", "*.agent"))

    copied = submit(copy, own.source("quick", main="print('a line')\n"))
    copied.wait_for_completion()

    ids = [run.id for run in own.experiment.get_runs()]
    assert copied.id not in ids
    first, second = identity_of(own.folder), identity_of(copy)
    assert first["pid"] != second["pid"]
    assert first["service_id"] != second["service_id"]
    for name in ("token", "port", "signing.key", "sockets.json"):
        texts = {(folder / ".dispatcher" / name).read_text() for folder in (own.folder, copy)}
        assert len(texts) == 2, name

    in_copy = Workspace.from_config(str(copy)).get_run(active.id)
    assert in_copy.get_status() == "Failed"
    assert f"a copy of {own.data}" in json.dumps(in_copy.get_details()["error"])
    assert active.get_status() == "Running"
    go.touch()
    active.wait_for_completion()
    assert active.get_metrics() == {"after": 1}
    close(copy)


def test_a_deleted_project_ends_its_service_its_agents_and_its_jobs(own: Desk) -> None:
    run = own.submit(
        own.source("slow", main="import time\nprint(1, flush=True)\ntime.sleep(600)\n")
    )
    until(lambda: run.get_status() == "Running", "the run runs")
    assert len(own.members()) >= 3, "service, agent and job"

    subprocess.run(["rm", "-rf", str(own.folder)], check=True)

    until(lambda: own.members() == [], "nothing of the workspace is alive", 30)
    assert not own.folder.exists()


@pytest.mark.parametrize("is_running", [True, False], ids=["service runs", "service stopped"])
def test_sockets_that_a_cleaner_took_are_made_again(own: Desk, is_running: bool) -> None:
    source = own.source("quick", main="print('a line')\n")
    own.submit(source).wait_for_completion()
    pid, sockets = own.pid(), Path(json.loads((own.data / "sockets.json").read_text())["folder"])
    if not is_running:
        stopping.stop_service(str(own.data))

    shutil.rmtree(sockets)
    own.submit(source).wait_for_completion(timeout=60)

    assert (own.pid() == pid) is is_running
    assert str(sockets) in json.loads((own.data / "service.json").read_text())["socket"]


def test_an_address_that_was_deleted_is_written_again(own: Desk) -> None:
    pid = own.pid()
    (own.data / "service.json").unlink()

    assert service.find_or_start(str(own.data))
    assert own.pid() == pid


def test_an_agent_whose_socket_is_gone_for_good_is_replaced_and_its_jobs_go_on(own: Desk) -> None:
    go = own.root / "go"
    run = own.submit(own.source("logs", main=LOGS), str(go))
    until(lambda: run.get_status() == "Running", "the run runs")
    stopping.stop_service(str(own.data))
    sockets = Path(json.loads((own.data / "sockets.json").read_text())["folder"])
    shutil.rmtree(sockets)
    sockets.write_text("")  # taken by something else: the service has to choose another folder

    go.touch()
    run.wait_for_completion(timeout=90)

    assert run.get_metrics() == {"after": 1}
    assert len(processes.running("dispatcher.agent serve", f"{own.data}/nodes/local")) == 1
    sockets.unlink()


def test_stop_signals_no_process_but_the_service(own: Desk) -> None:
    record = own.data / "service.json"
    facts = json.loads(record.read_text())
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        record.write_text(json.dumps({**facts, "pid": bystander.pid}))
        assert stopping.stop_service(str(own.data))
        until(lambda: not processes_of_service(own), "the service has ended")

        record.write_text(json.dumps({**facts, "pid": bystander.pid}))  # as after a power cut
        assert not stopping.stop_service(str(own.data))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_address_of_another_workspaces_service_is_not_used(own: Desk) -> None:
    other = own.root / "other"
    own.further.append(other)
    Workspace.create("other", path=str(other))
    quick = own.source("quick", main="print('a line')\n")
    submit(other, quick).wait_for_completion()
    stopping.stop_service(str(other / ".dispatcher"))
    shutil.copy(own.data / "service.json", other / ".dispatcher" / "service.json")

    run = submit(other, quick)
    run.wait_for_completion()

    assert run.id not in [each.id for each in own.experiment.get_runs()]
    assert identity_of(other)["pid"] != own.pid()
    close(other)


def test_a_service_of_another_host_is_named(own: Desk) -> None:
    stopping.stop_service(str(own.data))
    far = {"pid": 4711, "started": 1, "boot_id": "another boot", "host": "node17"}
    with (own.data / "service.lock").open("w") as lock:
        import fcntl

        lock.write(json.dumps(far))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(ServerUnreachable, match="runs on host node17"):
            service.find_or_start(str(own.data))
        with pytest.raises(ServerUnreachable, match="host node17"):
            stopping.stop_service(str(own.data))
        assert time.monotonic() - began < 5


def test_a_service_on_a_host_that_is_gone_is_replaced(
    own: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping.stop_service(str(own.data))
    far = {"pid": 4711, "started": 1, "boot_id": "another boot", "host": "node17"}
    (own.data / "service.lock").write_text(json.dumps(far))
    monkeypatch.setattr(service.service_lock, "SILENCE_SECONDS", 0.5)

    assert service.find_or_start(str(own.data))


def processes_of_service(own: Desk) -> list[processes.Process]:
    return [each for each in own.members() if "server" in each.command]


def test_the_service_ends_when_its_folder_was_replaced_and_the_new_ones_address_stays(
    own: Desk,
) -> None:
    backup = own.root / "backup"
    own.submit(own.source("quick", main="print('a line')\n")).wait_for_completion()
    stopping.stop_service(str(own.data))  # now its agents have written all of their runtime
    shutil.copytree(own.folder, backup, ignore=shutil.ignore_patterns("*.sock"))
    own.submit(own.source("quick", main="print('a line')\n")).wait_for_completion()
    pid = own.pid()

    shutil.rmtree(own.folder, ignore_errors=True)
    shutil.rmtree(own.folder, ignore_errors=True)
    backup.rename(own.folder)  # a restored backup: the same path, another folder
    submit(own.folder, own.source("quick", main="print('a line')\n")).wait_for_completion()

    assert own.pid() != pid
    until(lambda: not os.path.exists(f"/proc/{pid}/exe"), "the former service has ended")
    assert service.find(str(own.data)) is not None


def test_a_socket_folder_that_another_user_has_taken_is_given_up_and_jobs_go_on(own: Desk) -> None:
    missing.root("giving a folder to another user")
    go = own.root / "go"
    run = own.submit(own.source("logs", main=LOGS), str(go))
    until(lambda: run.get_status() == "Running", "the run runs")
    pid, sockets = own.pid(), Path(json.loads((own.data / "sockets.json").read_text())["folder"])

    shutil.rmtree(sockets)
    sockets.mkdir()
    os.chown(sockets, 4711, 4711)
    until(lambda: not os.path.exists(f"/proc/{pid}/exe"), "the service has ended")
    go.touch()
    run.wait_for_completion(timeout=90)

    assert run.get_metrics() == {"after": 1}
    assert json.loads((own.data / "sockets.json").read_text())["folder"] != str(sockets)
    sockets.rmdir()
