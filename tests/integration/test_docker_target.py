"""The Docker target against a real engine: what a job gets, how it ends, what is left behind."""

import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from queue import Queue

import pytest
from docker.errors import NotFound

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.wire.jobs import Job
from targets.base import LaunchRefused, Target
from targets.docker import dedicated
from targets.docker.container_spec import SOCKET_VARIABLE
from targets.testing import TargetContract
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import IMAGE, Dockerd
from tests.rigs.waiting import until


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path)
    yield rig
    rig.target.close()


class TestContract(TargetContract):
    """What every target keeps."""

    @pytest.fixture
    def target(self, rig: Rig) -> Target:
        return rig.target

    @pytest.fixture
    def make_job(self) -> Callable[[str], Job]:
        def make(name: str) -> Job:
            return Job(name=name, run_id=name[:-2], attempt=1, command="exec sleep 60")

        return make


def test_a_job_runs_to_its_end_and_is_forgotten_when_removed(rig: Rig) -> None:
    one = job("echo hello; exit 3")
    assert rig.state(one) is State.ABSENT

    seen = rig.run(one)

    assert (evidence(seen).exit_code, evidence(seen).tail) == (3, "hello\n")
    assert seen.started_at is not None
    rig.target.remove([one.name])
    assert rig.state(one) is State.REMOVED
    assert not [*rig.state_folder.glob("boxes/*"), *rig.state_folder.glob("jobs/*")]
    with pytest.raises(NotFound):
        rig.engine.client.containers.get(one.name)


def test_a_name_starts_once_however_often_it_is_launched(rig: Rig) -> None:
    one = job("echo started; sleep 60")
    for _ in range(3):
        assert rig.target.launch([one]) == {}
    until(lambda: rig.said(one), "the job has said something")
    rig.target.stop([one.name], grace=5)
    rig.ended(one)
    assert rig.target.launch([one]) == {}
    assert rig.state(one) is State.EXITED
    rig.target.remove([one.name])

    assert rig.target.launch([one]) == {}
    assert rig.state(one) is State.REMOVED


def test_a_created_container_is_started_by_the_next_service(rig: Rig) -> None:
    one = job("exit 7")
    create_only(rig, one)  # and here the service was killed
    assert rig.state(one) is State.CREATED

    rig.restart_service()

    assert evidence(rig.run(one)).exit_code == 7


def create_only(rig: Rig, one: Job) -> None:
    assert rig.target._launcher._create(one, "runtime")


def test_what_is_stopped_before_it_starts_never_starts(rig: Rig) -> None:
    one, other = job("exit 0"), job("exit 0")
    create_only(rig, one)

    rig.target.stop([one.name, other.name], grace=1)

    assert rig.target.launch([one, other]) == {}
    assert {rig.state(one), rig.state(other)} == {State.REMOVED}


def test_a_container_of_somebody_else_is_neither_adopted_nor_touched(rig: Rig) -> None:
    one = job("exit 0")
    foreign = rig.engine.client.containers.run(
        IMAGE, ["sleep", "60"], name=one.name, network_mode="none", detach=True, init=True
    )

    refused = rig.target.launch([one])[one.name]
    rig.target.stop([one.name], grace=0)
    rig.target.remove([one.name])

    assert isinstance(refused, LaunchRefused)
    assert "did not create" in str(refused)
    foreign.reload()
    assert foreign.status == "running"
    foreign.remove(force=True)


def test_two_services_on_one_engine_do_not_see_each_other(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    neighbour = make_rig(rig.engine, tmp_path / "b")
    one = job("sleep 60")
    rig.target.launch([one])

    neighbour.target.stop([one.name], grace=0)
    neighbour.target.remove([one.name])

    assert rig.state(one) is State.ALIVE
    assert neighbour.state(one) is State.REMOVED  # withdrawn there, which is theirs to do
    rig.stop(one)


def test_a_container_is_hardened_and_bounded(rig: Rig) -> None:
    one = job("sleep 60", cpus=0.5, memory_mb=64, shm_mb=32)
    rig.target.launch([one])

    host = rig.host_config(one)

    assert host["Init"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (host["NanoCpus"], host["ShmSize"]) == (500_000_000, 32 << 20)
    assert (host["PidsLimit"], host["NetworkMode"]) == (4096, "none")
    assert host["DeviceRequests"] is None
    writable = [mount["Target"] for mount in host["Mounts"] if not mount.get("ReadOnly")]
    assert writable == ["/dispatcher-root", f"/dispatcher-root/jobs/{one.name}"]
    rig.stop(one)


def test_a_job_is_not_root_and_can_write_to_its_box_alone(rig: Rig) -> None:
    seen = rig.run(job("id -u; touch here ~/there && touch /dispatcher-runtime/x"))

    assert evidence(seen).tail.startswith("65534\n")
    assert "/dispatcher-runtime/x: Read-only file system" in evidence(seen).tail


def test_no_secret_is_in_what_the_engine_shows(dockerd: Dockerd, tmp_path: Path) -> None:
    rig = make_rig(dockerd, tmp_path, token="canary-token")
    env = {"CANARY": "canary-variable", SOCKET_VARIABLE: "/on/the/host"}
    one = job(f"echo $CANARY ${SOCKET_VARIABLE}", env=env)

    seen = rig.run(one)

    assert evidence(seen).tail == "canary-variable /dispatcher-service/s\n"
    assert "canary" not in str(dockerd.client.api.inspect_container(one.name))


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass


ASK = """python3 -c "
import http.client, socket
class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect('/dispatcher-service/s')
connection = Local('service')
connection.request('GET', '/')
print(connection.getresponse().read().decode())
" """


def test_a_job_without_a_network_reaches_the_service(dockerd: Dockerd, tmp_path: Path) -> None:
    rig = make_rig(dockerd, tmp_path)
    server = socketserver.ThreadingUnixStreamServer(str(rig.site.service_socket), Hello)
    rig.site.service_socket.chmod(0o666)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    assert evidence(rig.run(job(ASK))).tail == "hello\n"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "words",
    [("--privileged",), ("-v", "/:/host"), ("--shm-size",), ("-e", "HOME"), ("--gpus", "all")],
)
def test_docker_arguments_that_open_the_box_are_refused(rig: Rig, words: tuple[str, ...]) -> None:
    one = job("exit 0", docker_arguments=words)

    assert isinstance(rig.target.launch([one])[one.name], LaunchRefused)


def test_allowed_docker_arguments_take_effect(rig: Rig) -> None:
    words = ("--shm-size", "64m", "--ulimit=nofile=512:512", "-e", "COLOR=red", "--tmpfs", "/t")
    one = job("ulimit -n; echo $COLOR; touch /t/x", docker_arguments=words)

    assert evidence(rig.run(one)).tail == "512\nred\n"
    assert rig.host_config(one)["ShmSize"] == 64 << 20


def test_a_stopped_job_gets_its_grace_and_no_more(rig: Rig) -> None:
    polite = job("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    deaf = job("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    rig.target.launch([polite, deaf])
    for one in (polite, deaf):
        until(lambda one=one: "ready" in rig.said(one), "the job has set its trap")  # type: ignore[misc]

    rig.target.stop([polite.name, deaf.name], grace=1)
    rig.target.stop([polite.name, deaf.name], grace=60)  # later is not what was asked first

    assert evidence(rig.ended(polite, timeout=5)).tail == "ready\nbye\n"
    assert evidence(rig.ended(deaf, timeout=5)).reason == "stopped"


def test_a_supervisor_that_is_stuck_is_killed_with_its_container(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedicated, "EXIT_RECORD_SECONDS", 0.2)
    one = job("kill -STOP $PPID; echo stuck; sleep 60")
    rig.target.launch([one])
    until(lambda: "stuck" in rig.said(one), "the supervisor is stuck")

    rig.target.stop([one.name], grace=0.2)

    assert evidence(rig.ended(one, timeout=5)).reason == "stopped"


def test_an_end_is_reported_without_being_asked_for(rig: Rig) -> None:
    reports: Queue[Mapping[str, Observation]] = Queue()
    rig.target.watch(reports.put)
    assert reports.get(timeout=10) == {}  # connected: look at everything
    one = job("exit 4")
    rig.target.launch([one])

    seen: dict[str, Observation] = {}
    while one.name not in seen or seen[one.name].state is not State.EXITED:
        seen |= reports.get(timeout=10)

    assert evidence(seen[one.name]).exit_code == 4


def test_many_jobs_go_and_come_back_at_once(rig: Rig) -> None:
    jobs = [job(f"exit {number}") for number in range(8)]

    assert rig.target.launch(jobs) == {}
    ended = [evidence(rig.ended(one)).exit_code for one in jobs]

    assert ended == list(range(8))
    rig.target.remove([one.name for one in jobs])
    assert {rig.state(one) for one in jobs} == {State.REMOVED}
