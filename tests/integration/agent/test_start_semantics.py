"""A forked start is not to be told from a fresh one: the same cases, both ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import Agent, agent_on, job
from tests.integration.semantics_cases import CASES, Case

STARTS = ("fresh", "fork", "auto")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Agent, FakeService]]:
    with FakeService() as service, agent_on(tmp_path_factory.mktemp("semantics")) as agent:
        agent.ask("configure", service=service.address)
        yield agent, service


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_a_script_runs_and_ends_the_same(
    served: tuple[Agent, FakeService], case: Case, start: str
) -> None:
    agent, service = served
    name = f"case{CASES.index(case)}{start}-1"
    snapshot = service.add_snapshot(case.snapshot())
    ended = agent.run(
        job(
            name,
            script="main.py",
            snapshot=snapshot,
            start=start,
            arguments=list(case.arguments),
            env=case.env,
        )
    )
    work = agent.folder(name) / "work"
    log = agent.log(name)
    assert (ended["exit_code"], ended["signal"]) == (case.exit_code, case.signal), log
    assert ended["reason"] == ("exited" if case.signal is None else "signaled")
    if case.out is not None:
        assert log == case.out.replace("{dir}", str(work))
    if case.contains is not None:
        assert case.contains in log
    for path, text in case.left.items():
        assert (work / path).read_text() == text


def test_auto_forks_what_it_can(agent: Agent, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text("print(open('/proc/self/cmdline').read().split('\\0')[1])\n")
    told = {
        start: agent.run(job(f"{start}-1", script=str(script), start=start))["tail"]
        for start in STARTS
    }
    assert told == {"fresh": f"{script}\n", "fork": "-c\n", "auto": "-c\n"}


def test_each_run_has_its_own_random_numbers(agent: Agent, tmp_path: Path) -> None:
    script = tmp_path / "draw.py"
    script.write_text("import random, numpy; print(random.random(), numpy.random.rand())\n")
    names = [f"draw{k}-1" for k in range(6)]
    agent.submit(
        *(job(n, script=str(script), start="fork", preload=["numpy", "random"]) for n in names)
    )
    drawn = {agent.evidence(name)["tail"] for name in names}
    assert len(drawn) == 6
    assert len({number for line in drawn for number in line.split()}) == 12


def test_preloaded_modules_are_there_before_the_script(agent: Agent, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text("import sys; print('numpy' in sys.modules)\n")
    for start, expected in (("auto", "True\n"), ("fresh", "False\n")):
        one = job(f"look{start}-1", script=str(script), start=start, preload=["numpy"])
        assert agent.run(one)["tail"] == expected


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("breaks", "raise OSError('no GPU')", "preloading breaks failed: OSError: no GPU"),
        (
            "threads",
            "from threading import *\nThread(target=Event().wait, daemon=True).start()",
            "started a thread",
        ),
        ("exits", "import os; os._exit(3)", "did not start"),
    ],
)
def test_what_cannot_be_preloaded_is_started_fresh_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, source: str, why: str
) -> None:
    (tmp_path / f"{module}.py").write_text(source)
    (tmp_path / "fine.py").write_text("print('fine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with agent_on(tmp_path / "agent") as agent:
        one = job("one-1", script=str(tmp_path / "fine.py"), preload=[module])
        for name in ("one-1", "two-1"):
            ended = agent.run({**one, "name": name})
            assert ended["tail"] == "fine\n"
            assert why in ended["warnings"][0]


@pytest.mark.parametrize(
    "env",
    [{"PYTHONHASHSEED": "1"}, {"PYTHONPATH": "/x"}, {"LC_ALL": "C"}, {"LD_LIBRARY_PATH": "/x"}],
)
def test_what_an_interpreter_reads_at_its_start_is_obeyed(
    agent: Agent, tmp_path: Path, env: dict[str, str]
) -> None:
    script = tmp_path / "read.py"
    script.write_text(
        "import sys, os; print(sys.flags.hash_randomization, '/x' in sys.path, "
        "open('/proc/self/cmdline').read().split('\\0')[1])\n"
    )
    ended = agent.run(job("read-1", script=str(script), env=env))
    expected = f"{0 if env.get('PYTHONHASHSEED') == '0' else 1} {'PYTHONPATH' in env} {script}\n"
    assert ended["tail"] == expected
