"""The Ray target on a cluster that is well: what a job gets, and who may go away meanwhile."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from targets.base import Target, TargetUnavailable
from targets.config import RayConfig
from targets.ray.target import RayTarget
from targets.testing import TargetContract
from tests.integration.ray_jobs import Rig, gang, job, living, make_rig
from tests.rigs import processes
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until

SHOW_GPUS = "echo gpus=$CUDA_VISIBLE_DEVICES; exec sleep 60"


@pytest.fixture(scope="module")
def rig(ray_cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with make_rig(ray_cluster, tmp_path_factory.mktemp("ray")) as rig:
        rig.nodes(2)
        yield rig


class TestContract(TargetContract):
    """What every target keeps."""

    @pytest.fixture
    def target(self, rig: Rig) -> Target:
        return rig.target

    @pytest.fixture
    def make_job(self, rig: Rig) -> Callable[[str], Job]:
        node = rig.nodes(2)[0]
        return lambda name: replace(job("exec sleep 60", node), name=name, run_id=name[:-2])


def test_the_nodes_are_those_with_resources_and_keep_their_names(rig: Rig) -> None:
    nodes = rig.nodes(2)

    assert [(node.cpus, node.gpus) for node in nodes] == [(4, ("0", "1", "2", "3"))] * 2
    rig.restart_service()
    assert {node.name for node in rig.nodes(2)} == {node.name for node in nodes}


def test_a_job_runs_to_its_end_and_its_log_arrives_before_that(rig: Rig) -> None:
    one = job("echo hello; exit 3", rig.nodes()[0])

    seen = rig.run(one)

    assert (seen.exit_code, seen.reason, seen.tail) == (3, "exited", "hello\n")
    assert rig.said(one) == "hello\n"


def test_starts_and_ends_are_told_without_a_poll(rig: Rig, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    told: list[State] = []
    one = job(f"read line < {fifo}", rig.nodes()[0])
    rig.target.watch(lambda seen: told.extend(s.state for n, s in seen.items() if n == one.name))

    rig.launch(one)
    until(lambda: State.ALIVE in told, "the start is told")
    fifo.write_text("go on\n")

    until(lambda: State.EXITED in told, "the end is told")
    assert told == [State.ALIVE, State.EXITED]


def test_jobs_see_exactly_the_devices_they_were_given(rig: Rig) -> None:
    nodes = rig.nodes(2)
    shares = [(node, gpus) for node in nodes for gpus in (("0", "3"), ("1",), ())]
    jobs = [job(SHOW_GPUS, node, gpus=gpus) for node, gpus in shares]

    rig.launch(*jobs)

    for one in jobs:
        expected = f"gpus={','.join(one.gpus)}\n"
        until(lambda one=one, e=expected: rig.said(one) == e, f"{one.name} says {expected!r}")
    rig.stop(*jobs)


def test_the_cluster_counts_the_devices_as_taken(rig: Rig) -> None:
    rig.nodes(2)

    assert rig.cluster.drive("print(ray.available_resources().get('GPU', 0))").strip() == "0"


def test_jobs_inherit_what_the_node_has_and_nothing_of_rays(rig: Rig) -> None:
    one = job('env | grep -e "^RAY_" -e "^OMP_NUM_THREADS"; echo $TEST_RAY_NODE', rig.nodes()[0])

    rig.run(one)

    assert len(rig.said(one)) == len("0123456789abcdef\n")
    assert rig.cluster.token not in rig.said(one)


@pytest.mark.parametrize("start", ["fresh", "fork"])
def test_a_script_starts_either_way(rig: Rig, start: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import os, sys; print(sys.argv[1], __name__, os.environ['X']); sys.exit(5)")
    one = replace(
        job("", rig.nodes()[0], start=start, env={"X": "y"}, arguments=("a",)),
        command=None,
        script=str(script),
    )

    seen = rig.run(one)

    assert (seen.exit_code, rig.said(one)) == (5, "a __main__ y\n")


def test_a_cancelled_job_leaves_nothing_however_it_hides(rig: Rig) -> None:
    hidden = "trap '' TERM; (setsid sh -c \"trap '' TERM; sleep 61 & sleep 62\" &) & sleep 60"
    one = job(f"({hidden}) & {hidden}", rig.nodes()[0])
    rig.launch(one)
    until(lambda: len(living(one)) >= 6, "all of its processes are there")

    rig.target.stop([one.name], grace=0.5)

    assert rig.ended(one).reason == "stopped"
    assert living(one) == []


def test_a_gang_meets_at_its_first_node(rig: Rig) -> None:
    nodes = rig.nodes(2)
    names = "$RANK $WORLD_SIZE $LOCAL_RANK $NODE_RANK"
    parts = gang(f'echo "{names} $MASTER_ADDR $MASTER_PORT"', [node.name for node in nodes])

    rig.launch(*parts)
    for part in parts:
        assert rig.ended(part).ok

    words = [rig.said(parts[0], rank).split() for rank in range(4)]
    assert [line[:4] for line in words] == [
        ["0", "4", "0", "0"],
        ["1", "4", "1", "0"],
        ["2", "4", "0", "1"],
        ["3", "4", "1", "1"],
    ]
    meeting = {tuple(line[4:]) for line in words}
    assert len(meeting) == 1
    address, port = meeting.pop()
    assert address in {node.address for node in rig.cluster.nodes}
    assert int(port) > 1023


def test_the_bridge_may_die_and_the_jobs_go_on(rig: Rig) -> None:
    one, other = (job("echo $$; exec sleep 60", node) for node in rig.nodes(2))
    rig.launch(one, other)
    before = [rig.alive(one), rig.alive(other)]
    assert rig.target.bridge_pid is not None

    os.kill(rig.target.bridge_pid, signal.SIGKILL)

    rig.nodes(2)
    assert [rig.alive(one), rig.alive(other)] == before
    rig.stop(one, other)


def test_a_bridge_that_hangs_is_replaced(rig: Rig) -> None:
    rig.nodes(2)
    hung = rig.target.bridge_pid
    assert hung is not None

    os.kill(hung, signal.SIGSTOP)

    with pytest.raises(TargetUnavailable):
        rig.target.capacity()
    rig.nodes(2)
    assert rig.target.bridge_pid != hung
    assert not processes.alive(hung)


def test_a_new_service_finds_the_jobs_of_the_one_before(rig: Rig) -> None:
    lasting, ending = (job(c, rig.nodes()[0]) for c in ("exec sleep 60", "sleep 0.3; exit 7"))
    rig.launch(lasting, ending)
    before = rig.alive(lasting)

    rig.restart_service()

    rig.nodes(2)
    assert rig.alive(lasting) == before
    assert rig.ended(ending).exit_code == 7
    rig.launch(lasting, ending)
    assert rig.alive(lasting) == before
    assert rig.ended(ending).exit_code == 7
    rig.stop(lasting)


def test_a_launcher_that_died_is_replaced_and_finds_its_jobs(rig: Rig) -> None:
    one = job("exec sleep 60", rig.nodes(2)[0])
    rig.launch(one)
    before = rig.alive(one)
    (launcher,) = [
        p.pid
        for p in processes.running("ray::NodeLauncher")
        if os.readlink(f"/proc/{p.pid}/cwd") and _serves(p.pid, one)
    ]

    os.kill(launcher, signal.SIGKILL)

    until(lambda: not processes.alive(launcher), "the launcher is gone")
    until(lambda: _again(rig, one) == before, "the job is seen again", timeout=30)
    rig.stop(one)


def _serves(pid: int, one: Job) -> bool:
    """Whether the process has the agent's lock of the folder that the job lies in."""
    (first, *_) = living(one)
    environ = Path(f"/proc/{first.pid}/environ").read_bytes().split(b"\0")
    (folder,) = (v[19:] for v in environ if v.startswith(b"DISPATCHER_JOB_DIR="))
    root = os.fsdecode(folder).partition("/jobs/")[0]
    files = [os.path.realpath(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return f"{root}/agent.lock" in files


def _again(rig: Rig, one: Job) -> object:
    return rig.target.poll([one.name])[one.name]


def test_a_target_whose_interpreter_has_no_ray_says_what_to_do(rig: Rig, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'ray'\" >&2; exit 1\n"
    )
    python.chmod(0o755)
    config = RayConfig(name="other", address=rig.cluster.address, python=str(python))
    target = RayTarget(config, rig.site, "token")

    def trouble() -> str:
        with pytest.raises(TargetUnavailable) as raised:
            target.capacity()
        return str(raised.value)

    until(lambda: "Set the target's `python`" in trouble(), "the way out is named")
    target.close()
