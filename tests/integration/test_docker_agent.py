"""The real agent inside containers: scripts of a snapshot, run as nobody, with the right end."""

import hashlib
import io
import json
import socketserver
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dispatcher.core.jobs import State
from dispatcher.core.verdicts import judge
from targets.base import LaunchRefused
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until

SCRIPT = b"import os, sys\nprint('hello', *sys.argv[1:], os.getuid())\nopen('written', 'w')\n"


def manifest() -> bytes:
    files = [["train.py", 0o600, len(SCRIPT), hashlib.sha256(SCRIPT).hexdigest()]]
    return json.dumps({"files": files}, separators=(",", ":"), sort_keys=True).encode()


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("train.py")
        entry.size, entry.mode = len(SCRIPT), 0o600
        tar.addfile(entry, io.BytesIO(SCRIPT))
    return buffer.getvalue()


SNAPSHOT = hashlib.sha256(manifest()).hexdigest()
ANSWERS = {
    f"/api/v1/snapshots/{SNAPSHOT}": manifest,
    f"/api/v1/snapshots/{SNAPSHOT}/archive": archive,
}


class Service(BaseHTTPRequestHandler):
    """As much of the service as a snapshot needs; it notes what it was asked for."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    taken: dict[str, bytes]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        answer = ANSWERS.get(self.path)
        body = answer() if answer else b'{"error": "NotFound", "detail": "no such snapshot"}'
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Take frames of telemetry, and acknowledge all of them."""
        assert self.headers["Authorization"] == "Bearer agents-token"
        body = io.BytesIO(self.rfile.read(int(self.headers["Content-Length"])))
        acks = []
        while line := body.readline():
            header = json.loads(line)
            data = body.read(header.pop("size"))
            self.taken[header["stream"]] = self.taken.get(header["stream"], b"") + data
            acks.append({**header, "offset": header["offset"] + len(data)})
        answer = json.dumps({"acks": acks}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path, token="agents-token", real_agent=True)
    Service.asked, Service.taken = [], {}
    server = Server(str(rig.site.service_socket), Service)
    rig.site.service_socket.chmod(0o666)  # as the service does: its folder keeps others out
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield rig
    rig.target.close()
    server.shutdown()
    server.server_close()


def test_a_script_of_a_snapshot_runs_as_nobody_and_can_write_beside_it(rig: Rig) -> None:
    one = job(None, script="train.py", arguments=("a b", "$c"), snapshot=SNAPSHOT)

    seen = evidence(rig.run(one))

    assert seen.tail == "hello a b $c 65534\n"
    assert judge(seen).cls == "ok"


def test_what_a_job_says_has_arrived_when_its_end_is_seen(rig: Rig) -> None:
    says = """echo hello; echo '{"n": "loss", "k": "scalar", "v": 1}' >> ../spool/metrics"""

    assert evidence(rig.run(job(says))).ok

    assert Service.taken["log:user_logs/std_log.txt"] == b"hello\n"
    assert json.loads(Service.taken["metrics"])["n"] == "loss"


def test_no_token_but_the_runs_own_is_in_a_container(rig: Rig) -> None:
    look = "grep -r token /dispatcher-root /dispatcher-service /proc/*/environ"

    seen = evidence(rig.run(job(f"{look}; echo done")))

    assert "done" in seen.tail

    assert "agents-token" not in seen.tail


def test_a_snapshot_is_fetched_once_for_all_runs(rig: Rig) -> None:
    jobs = [job(None, script="train.py", snapshot=SNAPSHOT) for _ in range(3)]

    assert rig.target.launch(jobs) == {}
    for one in jobs:
        assert evidence(rig.ended(one)).ok

    assert Service.asked == list(ANSWERS)


def test_a_snapshot_that_is_not_there_is_refused(rig: Rig) -> None:
    one = job(None, script="train.py", snapshot="0" * 64)

    refused = rig.target.launch([one])[one.name]

    assert isinstance(refused, LaunchRefused)
    assert "no such snapshot" in str(refused)
    assert rig.state(one) is State.REMOVED


def test_a_missing_script_is_a_user_error(rig: Rig) -> None:
    seen = evidence(rig.run(job(None, script="other.py", snapshot=SNAPSHOT)))

    assert judge(seen).cls == "user"


def test_an_exit_code_is_kept(rig: Rig) -> None:
    assert evidence(rig.run(job("exit 9"))).exit_code == 9


def test_a_time_limit_ends_the_job(rig: Rig) -> None:
    seen = evidence(rig.run(job("sleep 60", time_limit=0.3, grace=1)))

    assert judge(seen).cls == "policy"


@pytest.mark.parametrize("trap", ["exit 5", ""])
def test_a_stopped_job_gets_the_grace_of_the_stop(rig: Rig, trap: str) -> None:
    one = job(f"trap '{trap}' TERM; touch ../set; while :; do sleep 0.05; done", grace=60)
    rig.target.launch([one])
    until((rig.state_folder / "jobs" / one.name / "set").exists, "the job has set its trap")

    rig.target.stop([one.name], grace=0.5)

    seen = evidence(rig.ended(one, timeout=8))
    assert seen.reason == "stopped"
    assert seen.receipt


def test_a_job_out_of_memory_is_said_to_be(rig: Rig) -> None:
    eater = "python3 -c 'b = []\nwhile True: b.append(bytearray(1 << 23))'"

    seen = evidence(rig.run(job(eater, memory_mb=64)))

    assert judge(seen).cls == "resource"


def test_what_a_job_leaves_running_ends_with_it(rig: Rig) -> None:
    one = job("(setsid sleep 300 &) ; exit 0")

    assert evidence(rig.run(one)).ok
    container = rig.engine.client.containers.get(one.name)
    assert container.status == "exited"
