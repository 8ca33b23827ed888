"""Jobs from submit to exit record: once, exactly, within their limits, and with nothing left."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from dispatcher.agent.starting import fork_server
from tests.integration.agent.rig import Agent, agent_on, job
from tests.rigs.processes import alive, marked, wait_gone
from tests.rigs.waiting import until

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2):  # double fork, each in a session of its own
    if os.fork():
        {parent}
    os.setsid()
while True:
    time.sleep(1)
"""
KINDS = ("fresh", "fork")


def script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(text)
    return str(path)


def test_submitted_twice_it_starts_once(agent: Agent, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    one = job("once-1", command=f"echo x >> {effects}; sleep 0.3")
    agent.submit(one, one)
    agent.submit(one)
    agent.until("once-1", "alive")
    agent.submit(one)
    assert agent.evidence("once-1")["exit_code"] == 0
    agent.submit(one)
    agent.ask("remove", names=["once-1"])
    agent.submit(one)
    time.sleep(0.3)
    assert effects.read_text() == "x\n"
    seen = agent.observe("once-1")
    assert (seen["state"], seen["evidence"]["reason"]) == ("removed", "its record was removed")


def test_a_thousand_are_taken_at_once(agent: Agent) -> None:
    jobs = [job(f"many{k}-1", command="exit 0") for k in range(1000)]
    agent.submit(*jobs)
    assert agent.observe("many999-1")["state"] == "created"  # answered before they have ended
    agent.stop(*[one["name"] for one in jobs[100:]], grace=0)
    ends = {name: agent.evidence(name)["reason"] for name in (o["name"] for o in jobs)}
    assert all(ends[f"many{k}-1"] == "exited" for k in range(100))
    assert set(ends.values()) <= {"exited", "stopped"}


def test_events_tell_of_start_and_end(agent: Agent) -> None:
    agent.ask("subscribe")
    agent.run(job("told-1", command="sleep 0.3; exit 3"))
    agent.ask("hello")
    states = [(e["name"], e["state"]) for e in agent.events]
    assert states == [("told-1", "alive"), ("told-1", "exited")]


@pytest.mark.parametrize("start", KINDS)
def test_nothing_that_daemonised_itself_outlives_the_job(
    agent: Agent, tmp_path: Path, start: str
) -> None:
    path = script(
        tmp_path, STUBBORN.format(parent="sys.exit(0) if os.getppid() > 1 else os._exit(0)")
    )
    ended = agent.run(job("daemon-1", script=path, start=start))
    assert (ended["exit_code"], ended["reason"]) == (0, "exited")
    assert not marked(agent.mark("daemon-1"))
    assert ended["receipt"][0]["signal"] == signal.SIGTERM
    assert all(not alive(told["pid"]) for told in ended["receipt"])
    assert signal.SIGKILL in {told["signal"] for told in ended["receipt"]}


def test_a_child_that_keeps_the_output_open_does_not_hold_the_job(agent: Agent) -> None:
    begun = time.monotonic()
    ended = agent.run(job("open-1", command="sleep 999 & echo done"))
    assert (ended["exit_code"], ended["tail"]) == (0, "done\n")
    assert time.monotonic() - begun < 60
    wait_gone(agent.mark("open-1"))


@pytest.mark.parametrize("start", KINDS)
def test_the_time_limit_ends_it(agent: Agent, tmp_path: Path, start: str) -> None:
    path = script(tmp_path, STUBBORN.format(parent="break"))
    begun = time.monotonic()
    ended = agent.run(job("limit-1", script=path, start=start, time_limit=0.7, grace=0.5))
    took = time.monotonic() - begun
    assert (ended["exit_code"], ended["signal"], ended["reason"]) == (None, 9, "time limit")
    assert 1.1 < took < 30
    assert not marked(agent.mark("limit-1"))


@pytest.mark.parametrize("start", KINDS)
def test_the_grace_can_be_used(agent: Agent, tmp_path: Path, start: str) -> None:
    path = script(
        tmp_path,
        "import signal, sys, time\n"
        "def end(*_):\n    time.sleep(1); open('saved', 'w').write('all'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready'); time.sleep(99)\n",
    )
    agent.submit(job("grace-1", script=path, start=start))
    until(lambda: "ready" in agent.log("grace-1"), "it is ready") if agent.state(
        "grace-1"
    ) else None
    agent.stop("grace-1", grace=3)
    ended = agent.evidence("grace-1")
    assert (ended["exit_code"], ended["reason"]) == (0, "stopped")
    assert (agent.folder("grace-1") / "work/saved").read_text() == "all"


def test_a_shorter_grace_wins(agent: Agent, tmp_path: Path) -> None:
    path = script(tmp_path, STUBBORN.format(parent="break"))
    agent.submit(job("short-1", script=path))
    agent.until("short-1", "alive")
    time.sleep(0.3)
    agent.stop("short-1", grace=60)
    agent.stop("short-1", grace=0.2)
    assert agent.evidence("short-1", timeout=3)["signal"] == 9


def test_what_is_stopped_before_it_started_never_starts(agent: Agent, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    agent.stop("early-1")
    agent.submit(job("early-1", command=f"echo x >> {effects}"))
    assert agent.observe("early-1")["state"] == "removed"
    agent.ask("submit", jobs=[job(f"late{k}-1", command=f"echo x >> {effects}") for k in range(50)])
    agent.stop(*[f"late{k}-1" for k in range(50)], grace=0)
    ends = [agent.evidence(f"late{k}-1") for k in range(50)]
    assert {end["reason"] for end in ends} <= {"stopped", "exited"}
    started = sum(end["reason"] == "exited" or end["started_at"] is not None for end in ends)
    written = len(effects.read_text().split()) if effects.exists() else 0
    assert written <= started


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"script": "no.py"}, "cannot start: there is no file 'no.py'"),
        ({"script": "{here}/s.py", "interpreter": "/no/python"}, "there is no interpreter '/no/"),
        ({"script": "{here}/s.py", "interpreter": "pythonx"}, "there is no interpreter 'pythonx'"),
        ({"script": "{here}/s.py", "interpreter": "{here}/s.py"}, "s.py' is not executable"),
        ({"script": "{here}/s.py", "interpreter": "{here}"}, "' is not executable"),
        ({"script": "{here}/s.py", "start": "fresh", "arguments": ["x" * 200_000]}, "larger than"),
        ({}, "names neither a script nor a command"),
    ],
)
def test_what_cannot_start_says_why(
    agent: Agent, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    (tmp_path / "s.py").write_text("pass")
    told = {
        name: value.replace("{here}", str(tmp_path)) if isinstance(value, str) else value
        for name, value in options.items()
    }
    ended = agent.run(job("no-1", **told))
    assert ended["reason"].startswith("cannot start: ")
    assert reason in ended["reason"]
    assert (ended["exit_code"], ended["started_at"]) == (None, None)


def test_a_memory_limit_is_kept_and_told(agent: Agent, tmp_path: Path) -> None:
    if not agent.ask("hello")["memory_limits"]:
        pytest.skip("no memory controller that can be written to")
    path = script(tmp_path, "x = bytearray(200 << 20); print(len(x))")
    for start in KINDS:
        ended = agent.run(job(f"big{start}-1", script=path, start=start, memory_mb=64))
        assert (ended["signal"], ended["oom"]) == (9, True)
    ended = agent.run(job("small-1", script=path, memory_mb=400))
    assert (ended["exit_code"], ended["oom"]) == (0, False)


def test_devices_and_hidden_devices(agent: Agent) -> None:
    show = "echo ${CUDA_VISIBLE_DEVICES-unset}"
    env = {"CUDA_VISIBLE_DEVICES": "7"}
    rank = {"rank": 0, "local_rank": 0, "node_rank": 0, "gpus": ["2", "3"], "env": {}}
    cases: dict[str, dict[str, Any]] = {
        "none-1": {},
        "own-1": {"env": env},
        "hidden-1": {"env": env, "hide_gpus": True},
        "two-1": {"env": env, "ranks": [rank], "gpus": ["2", "3"]},
    }
    said = {
        name: agent.run(job(name, command=show, **options))["tail"].strip()
        for name, options in cases.items()
    }
    assert said == {"none-1": "unset", "own-1": "7", "hidden-1": "", "two-1": "2,3"}


def test_the_agents_own_variables_stay_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_TOKEN", "secret")
    monkeypatch.setenv("AZUREML_RUN_TOKEN", "secret")
    monkeypatch.setenv("KEPT", "1")
    with agent_on(tmp_path / "agent") as agent:
        agent.run(job("env-1", command="env"))
        log = agent.log("env-1")
    assert "secret" not in log
    assert "KEPT=1" in log
    assert f"DISPATCHER_JOB_DIR={agent.folder('env-1')}" in log


def test_removed_folders_are_deleted_whatever_the_script_did(agent: Agent) -> None:
    agent.run(job("away-1", command="mkdir a; touch a/b; chmod 000 a; chmod 000 .; exit 0"))
    agent.ask("remove", names=["away-1"])
    assert not agent.folder("away-1").exists()
    until(lambda: not os.listdir(agent.root / "trash"), "the folder is deleted")


def test_a_request_that_cannot_be_understood_is_answered(agent: Agent) -> None:
    for fields in ({"op": "fly"}, {"op": "submit"}, {"op": "submit", "jobs": [{"name": "../x"}]}):
        answer = agent.ask(**fields)
        assert not answer["ok"]
        assert answer["error"]
    assert agent.observe("x-1")["state"] == "absent"


def test_what_run_fail_said_is_in_the_record(agent: Agent) -> None:
    said = json.dumps({"code": "UserError", "message": "no data"})
    ended = agent.run(job("fail-1", command=f"echo '{said}' > $DISPATCHER_JOB_DIR/error.json"))
    assert ended["error"]["message"] == "no data"


def test_a_shim_that_has_had_its_number_of_jobs_takes_no_order_with_it(agent: Agent) -> None:
    for k in range(2 * fork_server._MAX_JOBS + 5):  # one after the other: one shim has them all
        assert agent.run(job(f"one{k}-1", command="exit 0"))["exit_code"] == 0
