"""Agent, forker and shim killed, each and together, at any moment."""

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dispatcher.agent.__main__ import THREAD_DIED
from tests.integration.agent.rig import Agent, agent_on, job
from tests.rigs.processes import alive, children, marked
from tests.rigs.waiting import until

SLEEPER = """
import subprocess, sys, time
subprocess.Popen(['sleep', '987'], start_new_session=True)
print('ready'); time.sleep(98)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> str:
    path = tmp_path / "sleeper.py"
    path.write_text(SLEEPER)
    return str(path)


def test_the_job_outlives_its_agent_and_the_next_one_sees_its_end(
    agent: Agent, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    agent.submit(job("outlive-1", command=f"while [ ! -e {gate} ]; do sleep 0.05; done; exit 7"))
    pid = agent.until("outlive-1", "alive")["pid"]
    agent.restart()
    seen = agent.observe("outlive-1")
    assert (seen["state"], seen["pid"]) == ("alive", pid)
    gate.touch()
    assert agent.evidence("outlive-1", timeout=3)["exit_code"] == 7


def test_an_end_while_no_agent_lives_is_found(agent: Agent) -> None:
    agent.submit(job("unseen-1", command="sleep 0.3; exit 6"))
    agent.until("unseen-1", "alive")
    agent.kill()
    until((agent.folder("unseen-1") / "exit.json").exists, "it has ended")
    agent.start()
    assert agent.observe("unseen-1")["evidence"]["exit_code"] == 6


@pytest.mark.parametrize("start", ["fresh", "fork"])
@pytest.mark.parametrize("cgroup", [True, False])
def test_a_killed_shim_leaves_nothing_alive(
    agent: Agent, sleeper: str, start: str, cgroup: bool
) -> None:
    agent.submit(job("lost-1", script=sleeper, start=start))
    state = agent.state("lost-1")
    until(lambda: "ready" in agent.log("lost-1"), "it is ready")
    if not cgroup:
        _move_out_of(agent, "lost-1", state)
    below = [state["pid"], *(child.pid for child in children(state["pid"]))]
    assert len(below) == 2
    os.kill(state["shim"], signal.SIGKILL)
    ended = agent.evidence("lost-1")
    assert (ended["reason"], ended["exit_code"]) == ("supervisor lost", None)
    assert ended["started_at"] == state["started_at"]
    assert not any(alive(pid) for pid in below)


def _move_out_of(agent: Agent, name: str, state: dict[str, object]) -> None:
    """Take a job's processes out of its group, as on a machine that has none."""
    if state["cgroup"] is None:
        pytest.skip("there is no group to do without")
    group = Path(str(state["cgroup"]))
    for pid in (group / "cgroup.procs").read_text().split():
        (group.parent.parent / "cgroup.procs").write_text(pid)


def test_agent_and_shim_killed(agent: Agent, sleeper: str) -> None:
    agent.submit(job("both-1", script=sleeper))
    state = agent.state("both-1")
    until(lambda: "ready" in agent.log("both-1"), "it is ready")
    agent.kill()
    os.kill(state["shim"], signal.SIGKILL)
    agent.start()
    assert agent.evidence("both-1", timeout=3)["reason"] == "supervisor lost"
    assert not alive(state["pid"])
    assert not marked(agent.mark("both-1"))


def test_a_killed_forker_is_replaced_and_its_jobs_go_on(agent: Agent, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    agent.submit(job("before-1", command=f"while [ ! -e {gate} ]; do sleep 0.05; done; exit 5"))
    agent.until("before-1", "alive")
    forkers = [c.pid for c in children(agent.process.pid)]
    assert len(forkers) == 1
    os.kill(forkers[0], signal.SIGKILL)
    assert agent.run(job("after-1", command="exit 4"))["exit_code"] == 4
    gate.touch()
    assert agent.evidence("before-1", timeout=4)["exit_code"] == 5


def test_a_recycled_process_id_is_never_signalled(agent: Agent) -> None:
    """A stale record that points at a stranger, as after a reboot."""
    agent.submit(job("stale-1", command="sleep 98"))
    state = agent.state("stale-1")
    agent.kill()
    os.killpg(state["pid"], signal.SIGKILL)
    os.kill(state["shim"], signal.SIGKILL)
    canary = os.posix_spawn("/bin/sleep", ["sleep", "97"], os.environ, setsid=True)
    record = agent.folder("stale-1") / "lock"
    forged = {**state, "pid": canary, "pids": [canary], "ticks": {str(canary): 1}, "boot_id": "x"}
    until(lambda: not alive(state["shim"]), "the shim is gone")
    (agent.folder("stale-1") / "exit.json").unlink(missing_ok=True)
    record.write_text(json.dumps(forged))
    agent.start()
    assert agent.evidence("stale-1", timeout=3)["reason"] == "supervisor lost"
    assert alive(canary)
    os.kill(canary, signal.SIGKILL)
    os.waitpid(canary, 0)


def test_killed_at_any_moment_each_job_runs_once(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    effects = tmp_path / "effects"
    script = tmp_path / "effect.py"
    script.write_text(
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(fd, (os.environ['DISPATCHER_JOB'] + '\\n').encode())\n"
    )
    jobs = [
        job(f"k{k}-1", script=str(script), arguments=[str(effects)], start=("fresh", "fork")[k % 2])
        for k in range(60)
    ]
    with agent_on(tmp_path / "agent") as agent:
        agent.submit(*jobs)
        for _ in range(8):
            time.sleep(chance.uniform(0, 0.08))
            agent.restart()
            agent.submit(*jobs)  # as the service does with what it sees as absent
        ends = {one["name"]: agent.evidence(one["name"]) for one in jobs}
    ran = effects.read_text().split()
    assert len(ran) == len(set(ran)), f"seed {seed}"
    well = {name for name, end in ends.items() if end["exit_code"] == 0}
    assert well == set(ran) == {one["name"] for one in jobs}, f"seed {seed}"


def test_only_one_agent_has_a_root(agent: Agent) -> None:
    import subprocess
    import sys

    line = [sys.executable, "-m", "dispatcher.agent", "serve", "--root", str(agent.root)]
    second = subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 3
    assert "already serves" in second.stderr
    assert agent.ask("hello")["ok"]


def test_without_renewal_all_jobs_are_fenced(agent: Agent) -> None:
    agent.ask("configure", service=None, lease=1.0)
    agent.submit(job("fenced-1", command="sleep 98"), job("again-1", command="sleep 97"))
    agent.until("fenced-1", "alive")
    assert agent.evidence("fenced-1", timeout=4)["reason"] == "fenced"
    assert agent.evidence("again-1", timeout=4)["reason"] == "fenced"


def test_a_renewed_lease_lets_them_live_and_a_dead_agent_does_not(agent: Agent) -> None:
    agent.ask("configure", service=None, lease=1.0)
    agent.submit(job("leased-1", command="sleep 98"))
    agent.until("leased-1", "alive")
    for _ in range(8):
        time.sleep(0.3)
        agent.ask("renew")
    assert agent.observe("leased-1")["state"] == "alive"
    agent.kill()
    until((agent.folder("leased-1") / "exit.json").exists, "it has fenced itself", timeout=5)
    assert json.loads((agent.folder("leased-1") / "exit.json").read_text())["reason"] == "fenced"
    agent.start()


def test_an_agent_without_a_free_descriptor_hears_who_comes_once_there_is_one(agent: Agent) -> None:
    pid = agent.process.pid
    open_files = len(os.listdir(f"/proc/{pid}/fd"))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files + 4, before[1]))
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(10)]
    for one in crowd:
        one.connect(str(agent.root / "agent.sock"))
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) == open_files + 4, "all of them are taken")
    for one in crowd:
        one.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    with socket.socket(socket.AF_UNIX) as late:
        late.settimeout(30)
        late.connect(str(agent.root / "agent.sock"))
        late.sendall(b'{"id": 1, "op": "hello"}\n')
        assert b'"ok": true' in late.recv(4096)


def test_an_agent_that_loses_a_thread_ends_and_the_next_one_finds_its_jobs(
    agent: Agent, sleeper: str, tmp_path: Path
) -> None:
    agent.submit(job("stays-1", script=sleeper))
    agent.until("stays-1", "alive")
    agent.kill()
    (tmp_path / "sitecustomize.py").write_text(
        "from dispatcher.agent import remover\nremover.Remover._drop_old_claims = None\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "dispatcher.agent", "serve", "--root", str(agent.root)]
    broken = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert broken.returncode == THREAD_DIED
    assert "a thread died; the agent ends" in broken.stderr
    agent.start()
    assert agent.observe("stays-1")["state"] == "alive"
