"""What scripts leave in `outputs` and `logs` is kept with their runs, wherever they ran."""

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.runs.run import Run
from tests.rigs.desk import Desk
from tests.rigs.dockerd import Dockerd
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until

WRITES = """
import os
print("writing")
with open("outputs/model.txt", "w") as file:
    file.write("a model")
os.makedirs("outputs/deep/er")
with open("outputs/deep/er/data.bin", "wb") as file:
    file.write(bytes(range(256)))
with open("logs/train.log", "w") as file:
    file.write("epoch 1\\nepoch 2\\n")
"""
STD_LOG = "user_logs/std_log.txt"
KEPT = ["logs/train.log", "outputs/deep/er/data.bin", "outputs/model.txt", "user_logs/std_log.txt"]
LARGE = """
import hashlib, os
from dispatcher import Run
digest = hashlib.sha256()
with open("outputs/large.bin", "wb") as file:
    for _ in range(100):
        piece = os.urandom(1 << 20)
        digest.update(piece)
        file.write(piece)
Run.get_context().tag("sha256", digest.hexdigest())
"""
HASHES = """
import hashlib
from dispatcher import Run
digest = hashlib.sha256()
with open("weights.bin", "rb") as file:
    for part in iter(lambda: file.read(1 << 20), b""):
        digest.update(part)
Run.get_context().tag("sha256", digest.hexdigest())
"""
MANY = """
import os
for number in range(500):
    folder = f"outputs/{number % 7}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{number}.txt", "w") as file:
        file.write(str(number))
"""
KILLED = """
import os, signal
with open("outputs/checkpoint", "w") as file:
    file.write("step 10")
with open("logs/steps", "w") as file:
    file.write("step 10")
os.kill(os.getpid(), signal.SIGKILL)
"""
HOSTILE = r"""
import os, socket
open("secret", "w").write("out of the folder")
open("outputs/plain", "w").write("plain")
os.symlink("plain", "outputs/link inside")
os.symlink("/etc/passwd", "outputs/link outside")
os.symlink("../secret", "outputs/link above")
os.symlink("/etc", "outputs/folder outside")
os.symlink("nowhere", "outputs/broken")
os.symlink(".", "outputs/circle")
os.mkfifo("outputs/pipe")
socket.socket(socket.AF_UNIX).bind("outputs/socket")
odd = (b"new\nline", b"back\\slash", b"not utf-8 \xff", "ünïcode".encode(), b"C:x", b"...", b"%41")
for name in odd:
    with open(b"outputs/" + name, "wb") as file:
        file.write(name)
os.makedirs("outputs/" + "/".join(["long" * 50] * 6))
open("outputs/" + "/".join(["long" * 50] * 6) + "/file", "w").close()
"""
WAITS = """
import sys, time
with open("logs/progress.log", "w", buffering=1) as file:
    file.write("first\\n")
    with open("logs/rewritten", "w") as other:
        other.write("a longer text")
    while not sys.stdin.closed:
        try:
            open(sys.argv[1]).close()
            break
        except FileNotFoundError:
            time.sleep(0.02)
    file.write("second\\n")
with open("logs/rewritten", "w") as other:
    other.write("short")
"""

IN_RUN = """
import io
from dispatcher import Run
run = Run.get_context()
run.upload_file("notes/a.txt", io.BytesIO(b"by hand"))
run.upload_file("outputs/same", io.BytesIO(b"first"))
open("outputs/same", "w").write("second")
open("outputs/weights", "w").write("w")
run.upload_folder("kept", "outputs")
run.log_confusion_matrix("matrix", {"data": [1, 2]})
print(run.register_model("fruit", "kept/weights"))
print(run.get_file_names())
assert run.get_metrics(populate=True)["matrix"].data == {"data": [1, 2]}
"""
TRIES = """
import os, sys
attempt = os.environ["DISPATCHER_ATTEMPT"]
open("outputs/attempt", "w").write(attempt)
open(f"outputs/of {attempt}", "w").close()
sys.exit(attempt == "1")
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Downloads go to the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(run: Run, status: str = "Completed", timeout: float = 90) -> Run:
    """The run, as soon as it is seen to have ended: everything is to be there by then."""
    told = run.wait_for_completion(raise_on_error=False, timeout=timeout)
    assert told["status"] == status, run.get_details_with_logs()
    return run


def check_kept(run: Run) -> None:
    """What `WRITES` has written is there."""
    assert run.get_file_names() == KEPT
    run.download_files(output_directory="all")
    assert Path("all/outputs/model.txt").read_text() == "a model"
    assert Path("all/outputs/deep/er/data.bin").read_bytes() == bytes(range(256))
    assert Path("all/logs/train.log").read_text() == "epoch 1\nepoch 2\n"


@pytest.mark.parametrize("start", ["fresh", "fork"])
def test_outputs_and_logs_of_a_local_run_are_kept(shared: Desk, start: str) -> None:
    run = shared.submit(shared.source("writes", main=WRITES), start_method=start)
    check_kept(done(run))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("fields", [{}, {"memory_mb": 256}], ids=["warm", "cold"])
def test_outputs_and_logs_of_a_run_on_docker_are_kept(
    shared: Desk, dockerd: Dockerd, fields: dict[str, int]
) -> None:
    shared.attach(
        "box", kind="docker", docker_host=dockerd.url, image="test/py:1", network="none", cpus=2
    )
    run = shared.submit(shared.source("writes", main=WRITES), target="box", **fields)
    check_kept(done(run))


@pytest.mark.timeout(240)
def test_outputs_and_logs_of_a_run_on_ray_are_kept(shared: Desk, ray_cluster: RayCluster) -> None:
    shared.attach(
        "cluster",
        kind="ray",
        address=ray_cluster.address,
        node_ip_address=ray_cluster.head.address,
        token=ray_cluster.token,
    )
    run = shared.submit(shared.source("writes", main=WRITES), target="cluster", gpus=0)
    check_kept(done(run))


def test_a_run_gets_a_source_file_beyond_the_size_of_a_request(shared: Desk) -> None:
    source = shared.source("weights", main=HASHES)
    digest = hashlib.sha256()
    with (Path(source) / "weights.bin").open("wb") as file:
        for number in range(100):
            part = bytes([number]) * (1 << 20)
            digest.update(part)
            file.write(part)

    run = done(shared.submit(source))

    assert run.get_tags()["sha256"] == digest.hexdigest()


def test_a_large_file_is_there_when_its_run_has_ended(shared: Desk) -> None:
    run = done(shared.submit(shared.source("large", main=LARGE)))
    run.download_file("outputs/large.bin", "here/large.bin")
    data = Path("here/large.bin").read_bytes()
    assert len(data) == 100 << 20
    assert hashlib.sha256(data).hexdigest() == run.get_tags()["sha256"]


def test_many_small_files_are_all_there(shared: Desk) -> None:
    run = done(shared.submit(shared.source("many", main=MANY)))
    assert len([name for name in run.get_file_names() if name.startswith("outputs/")]) == 500
    run.download_files("outputs/3", output_directory="three", append_prefix=False)
    found = {path.name: path.read_text() for path in Path("three").iterdir()}
    assert found == {f"{n}.txt": str(n) for n in range(500) if n % 7 == 3}
    with pytest.raises(UserErrorException, match="no files below"):
        run.download_files("outputs/9")


def test_what_was_written_before_a_kill_is_kept(shared: Desk) -> None:
    run = done(shared.submit(shared.source("killed", main=KILLED)), "Failed")
    run.download_files(output_directory=".")
    assert Path("outputs/checkpoint").read_text() == "step 10"
    assert Path("logs/steps").read_text() == "step 10"


def test_nothing_leads_out_of_the_folder_and_odd_names_are_made_safe(shared: Desk) -> None:
    run = done(shared.submit(shared.source("hostile", main=HOSTILE)))
    run.download_files("outputs", output_directory=".")
    found = {path.name: path.read_bytes() for path in Path("outputs").iterdir()}
    assert found == {
        "plain": b"plain",
        "link inside": b"plain",
        "link above": b"out of the folder",  # of outputs, and within the run's own folder
        "new%0Aline": b"new\nline",
        "back%5Cslash": b"back\\slash",
        "not utf-8 %FF": b"not utf-8 \xff",
        "ünïcode": "ünïcode".encode(),
        "C%3Ax": b"C:x",
        "...": b"...",
        "%41": b"%41",
    }


def test_a_watched_file_can_be_read_while_the_run_goes_on(shared: Desk, tmp_path: Path) -> None:
    run = shared.submit(shared.source("waits", main=WAITS), str(tmp_path / "go"))

    def text() -> bool:
        return run.get_details_with_logs()["logFiles"].get("logs/progress.log") == "first\n"

    until(text, "the first line can be read", timeout=30)
    until(lambda: "logs/rewritten" in run.get_file_names(), "the other one is there")
    assert run.get_status() == "Running"
    (tmp_path / "go").touch()
    done(run)
    run.download_files("logs")
    assert Path("logs/progress.log").read_text() == "first\nsecond\n"
    assert Path("logs/rewritten").read_text() == "short"


def test_only_the_folders_that_were_asked_for_are_kept(shared: Desk) -> None:
    script = WRITES + "os.makedirs('mine/x'); open('mine/x/a', 'w').write('watched')\n"
    config = shared.config(shared.source("asked", main=script))
    config.run_config.history.output_collection = False
    config.run_config.history.directories_to_watch = ["mine"]
    run = done(shared.experiment.submit(config))
    assert run.get_file_names() == ["mine/x/a", "user_logs/std_log.txt"]


def test_a_script_reaches_the_files_of_its_run(shared: Desk) -> None:
    run = done(shared.submit(shared.source("in-run", main=IN_RUN)))
    run.download_files(output_directory=".")
    assert Path("notes/a.txt").read_text() == "by hand"
    assert Path("outputs/same").read_text() == "first"  # the name was taken: a file is written once
    assert Path("kept/same").read_text() == "second"
    assert "Model(name=fruit, version=1, path=kept/weights)" in Path(STD_LOG).read_text()


def test_the_outputs_of_a_later_attempt_replace_those_of_an_earlier_one(shared: Desk) -> None:
    run = done(shared.submit(shared.source("tries", main=TRIES), max_retries={"user": 1}))
    run.download_files("outputs")
    assert Path("outputs/attempt").read_text() == "2"
    assert sorted(os.listdir("outputs")) == ["attempt", "of 1", "of 2"]


def test_files_of_a_service_that_is_away_come_when_it_is_back(own: Desk, tmp_path: Path) -> None:
    run = own.submit(own.source("waits", main=WAITS + WRITES), str(tmp_path / "go"))
    until(lambda: "logs/progress.log" in run.get_file_names(), "it runs", timeout=30)
    own.kill_service()
    (tmp_path / "go").touch()
    time.sleep(7)  # longer than the telling of an end waits
    done(run)
    until(lambda: "outputs/model.txt" in run.get_file_names(), "the files have come", timeout=30)
    assert set(KEPT) <= set(run.get_file_names())


def test_an_agent_that_is_killed_while_it_keeps_files_loses_none(own: Desk) -> None:
    run = own.submit(own.source("large", main=LARGE))
    uploads = own.data / "uploads"
    until(lambda: any(uploads.iterdir()), "the upload has begun", timeout=60, pause=0.002)
    for process in own.members():
        if "dispatcher.agent" in process.command and "serve" in process.command:
            os.kill(process.pid, signal.SIGKILL)
    done(run)
    until(lambda: "outputs/large.bin" in run.get_file_names(), "the file has come", timeout=30)
    run.download_file("outputs/large.bin")
    data = Path("large.bin").read_bytes()
    assert hashlib.sha256(data).hexdigest() == run.get_tags()["sha256"]
