"""Inside a submitted run: context, spool, children, waits; and outside of any: offline runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher import Experiment, Run, ScriptRunConfig, Workspace
from dispatcher.client.errors import ExperimentExecutionException, RunEnvironmentException
from dispatcher.client.in_run import child_keys
from dispatcher.client.v1.runs.offline import OfflineRun
from tests.unit.fake_server import serving
from tests.unit.fake_service import TOKEN, FakeService, in_run, script_in, workspace_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return tmp_path / "jobs" / "r-1"


@pytest.fixture
def run(fake: FakeService, tmp_path: Path, job: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run around the test, which is in its work folder."""
    config = ScriptRunConfig(str(script_in(tmp_path / "source")), "train.py")
    submitted = Experiment(workspace_of(fake, tmp_path), "fruit").submit(config)
    fake.move(submitted.id, "Running")
    for name, value in in_run(fake, submitted.id, job).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(child_keys.OWNER, str(os.getpid()))
    monkeypatch.setattr(child_keys, "_counts", {})
    script_in(job / "work", name="child.py")
    monkeypatch.chdir(job / "work")
    context = Run.get_context()
    assert isinstance(context, Run)
    return context


def child_config(*arguments: str) -> ScriptRunConfig:
    return ScriptRunConfig(".", "child.py", list(arguments))


def test_the_context_is_one_object_for_the_run(run: Run) -> None:
    assert Run.get_context() is run
    assert run.experiment.name == "fruit"
    assert run.experiment.workspace.name == "w"


def test_the_workspace_that_a_run_finds_by_name_is_reached_with_the_runs_own_token(
    fake: FakeService, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path / "home"))
    Workspace.create("w", path=str(tmp_path / "owner"))
    data = tmp_path / "owner" / ".dispatcher"
    data.mkdir()
    owner = {"url": "http://127.0.0.1:9", "token": "of the owner"}
    (data / "service.json").write_text(json.dumps(owner))

    found = Workspace.get("w")

    assert found.service is run.experiment.workspace.service
    assert found.service.address.token == TOKEN
    assert Experiment(found, "fruit", _create_in_cloud=False).name == "fruit"


def test_a_logged_value_is_a_line_in_the_spool_at_once(
    fake: FakeService, run: Run, job: Path
) -> None:
    asked = len(fake.calls)
    run.log("m", 1)
    run.log_row("row", a=1)

    lines = (job / "metrics").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == ["m", "row"]
    assert len(fake.calls) == asked


def test_a_script_that_closes_all_descriptors_loses_no_metric_and_finds_none_in_its_files(
    run: Run, job: Path
) -> None:
    run.log("before", 1)
    [spool] = [fd for fd in os.listdir("/proc/self/fd") if _target(fd) == str(job / "metrics")]
    own = os.open(job / "own", os.O_RDWR | os.O_CREAT)
    os.dup2(own, int(spool))  # closes the spool, and takes its number
    run.log("after", 2)
    os.close(own)
    os.close(int(spool))

    names = [json.loads(line)["n"] for line in (job / "metrics").read_text().splitlines()]
    assert names == ["before", "after"]
    assert (job / "own").read_bytes() == b""


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def test_a_script_without_standard_streams_does_not_print_into_the_spool(
    fake: FakeService, run: Run, job: Path
) -> None:
    script = """
        import os
        os.closerange(0, 3)
        from dispatcher import Run
        Run.get_context().log("m", 1)
        os.write(os.open("printed", os.O_WRONLY | os.O_CREAT), b"a line")
        """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=60,
    )  # fmt: skip

    [line] = (job / "metrics").read_text().splitlines()
    assert json.loads(line)["n"] == "m"
    assert (job / "work" / "printed").read_bytes() == b"a line"


def test_a_read_sees_what_was_logged_whoever_ships_it(
    fake: FakeService, run: Run, job: Path
) -> None:
    run.log("m", 1)
    shipped = (job / "metrics").read_bytes()
    fake.streams[run.id, 1, "metrics"] = bytearray(shipped)  # the shim was here before
    run.log("m", 2)

    assert run.get_metrics() == {"m": [1, 2]}
    run.log("m", 3)
    assert run.get_metrics() == {"m": [1, 2, 3]}


def test_half_a_line_of_another_process_is_not_shipped(
    fake: FakeService, run: Run, job: Path
) -> None:
    run.log("m", 1)
    with (job / "metrics").open("a") as file:
        file.write('{"n":"half')

    assert run.get_metrics() == {"m": 1}


def test_a_full_disk_does_not_end_the_script(
    run: Run, job: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (job / "metrics").mkdir(parents=True)
    run.log("m", 1)
    run.log("m", 2)

    assert capfd.readouterr().err.count("metrics are not kept") == 1


def test_the_status_follows_the_process(fake: FakeService, run: Run, job: Path) -> None:
    run.complete()
    with run:
        run.log("m", 1)
    with pytest.raises(ValueError, match="x"), run:
        raise ValueError("x")
    run.fail(ValueError("no luck"), error_code="Mine")
    with pytest.warns(UserWarning, match="no effect"):
        run.cancel()

    assert fake.runs[run.id]["status"] == "Running"
    told = json.loads((job / "error.json").read_text())
    assert told["code"] == "Mine"
    assert told["message"] == "User program failed with ValueError: no luck"


def test_a_wait_for_a_child_parks_the_run(fake: FakeService, run: Run) -> None:
    child = run.submit_child(child_config())
    threading.Timer(0.2, fake.move, (child.id, "Completed")).start()
    child.wait_for_completion()

    assert fake.parked == {run.id: [[child.id]]}
    assert fake.runs[run.id]["parked"] is False


def test_an_ended_child_parks_nobody(fake: FakeService, run: Run) -> None:
    child = run.submit_child(child_config())
    fake.move(child.id, "Completed")
    child.wait_for_completion()
    run.wait_for_children()

    assert fake.parked == {}


def test_threads_that_wait_share_one_parking(fake: FakeService, run: Run) -> None:
    children = run.submit_children([child_config(str(number)) for number in range(4)])
    waits = [threading.Thread(target=child.wait_for_completion) for child in children]
    for wait in waits:
        wait.start()
    with fake.changed:
        fake.changed.wait_for(lambda: len(fake.parked.get(run.id, [])) == 4, 2)
    before = fake.count("POST", f"/runs/{run.id}/unpark")
    for child in children:
        fake.move(child.id, "Completed")
    for wait in waits:
        wait.join(5)

    assert before == 0
    assert fake.count("POST", f"/runs/{run.id}/unpark") >= 1
    assert fake.runs[run.id]["parked"] is False
    assert max(len(ids) for ids in fake.parked[run.id]) > 1


def test_a_wait_that_can_never_end_says_so(fake: FakeService, run: Run) -> None:
    child = run.submit_child(child_config())
    fake.circle = f"{child.id} needs the slot of {run.id}"

    with pytest.raises(ExperimentExecutionException, match="needs the slot"):
        child.wait_for_completion()


def test_a_restarted_parent_gets_its_children_back(
    fake: FakeService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script() -> list[str]:
        made = [run.submit_child(child_config(fruit)).id for fruit in ("apple", "fig", "fig")]
        Path("outputs.txt").write_text("the working folder changes")
        return [*made, run.submit_child(child_config("apple")).id]

    first = script()
    monkeypatch.setattr(child_keys, "_counts", {})  # as in a new process

    assert script() == first
    assert len(set(first)) == 4
    keys = [fake.runs[child]["key"] for child in first]
    assert keys[1].partition("#")[2].startswith("0:")
    assert keys[2].partition("#")[2].startswith("1:")


def test_a_key_names_the_file_relative_to_the_work_folder(
    fake: FakeService, run: Run, job: Path
) -> None:
    code = compile("child = run.submit_child(config)", str(job / "work" / "parent.py"), "exec")
    names = {"run": run, "config": child_config()}
    exec(code, names)

    assert fake.runs[names["child"].id]["key"].startswith("parent.py:1#0:")  # type: ignore[attr-defined]


def test_a_helper_process_makes_no_keys(
    fake: FakeService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(child_keys.OWNER, "1")
    twins = [run.submit_child(child_config()).id for _ in range(2)]

    assert twins[0] != twins[1]
    assert fake.runs[twins[0]]["key"] is None


def test_an_interactive_child_logs_over_http(fake: FakeService, run: Run) -> None:
    with run.child_run("inner") as child:
        child.log("m", 1)

    assert fake.runs[child.id]["status"] == "Completed"
    assert run.get_metrics(recursive=True) == {child.id: {"m": 1}}


def test_a_script_that_only_logs_loads_next_to_nothing(job: Path, fake: FakeService) -> None:
    script = textwrap.dedent("""
        import os, sys
        before = set(sys.modules)
        from dispatcher import Run
        run = Run.get_context()
        run.log("x", 1)
        run.log_table("t", {"a": [1, 2]})
        print("\\n".join(sorted(set(sys.modules) - before)))
    """)
    told = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**in_run(fake, "r", job), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert {name for name in told if not name.startswith("dispatcher")} <= {"__future__", "_json"}


def test_importing_the_package_loads_nothing() -> None:
    script = "import sys; a = set(sys.modules); import dispatcher; print(set(sys.modules) - a)"
    told = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert told.strip() == "{'dispatcher'}"


OFFLINE = [
    ("log", ("a", 1), "Attempted to log scalar metric a:\n1\n"),
    ("log_list", ("a", [1]), "Attempted to log list metric a:\n[1]\n"),
    ("log_table", ("a", {"b": [1]}), "Attempted to log table metric a:\n{'b': [1]}\n"),
    ("log_image", ("a", "b.png"), "Attempted to log image metric a:\nb.png\n"),
    ("log_residuals", ("a", {}), "Attempted to log residual metric a:\n{}\n"),
    ("log_predictions", ("a", {}), "Attempted to log predictions metric a:\n{}\n"),
    ("log_accuracy_table", ("a", {}), "Attempted to log accuracy_table metric a:\n{}\n"),
    ("log_confusion_matrix", ("a", {}), "Attempted to log confusion_matrix metric a:\n{}\n"),
    ("tag", ("a", "b"), "Attempted to "),
    ("set_tags", ({"a": "b"},), "Attempted to "),
    ("add_properties", ({"a": "b"},), "Attempted to "),
    ("upload_file", ("a", "gone"), "Attempted to "),
    ("upload_files", (["a"], ["gone"]), "Attempted to "),
    ("upload_folder", ("a", "gone"), "Attempted to "),
    ("flush", (), "Attempted to "),
    ("complete", (), ""),
    ("cancel", (), ""),
    ("fail", ("why", "Code"), "Run failed with error code Code:\nwhy\n"),
]


@pytest.mark.parametrize(("call", "arguments", "printed"), OFFLINE, ids=[c[0] for c in OFFLINE])
def test_an_offline_run_prints_what_it_would_do(
    call: str, arguments: tuple[object, ...], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(Run.get_context(), call)(*arguments)

    out = capsys.readouterr().out
    assert out == printed or (printed.endswith("to ") and out.startswith(printed))


MISSING = (
    "parent",
    "experiment",
    "get_metrics",
    "get_status",
    "submit_child",
    "create_children",
    "get_children",
    "get_tags",
    "input_datasets",
    "get_file_names",
    "register_model",
)


@pytest.mark.parametrize("name", MISSING)
def test_an_offline_run_lacks_what_needs_a_service(name: str) -> None:
    assert not hasattr(Run.get_context(), name)


def test_an_offline_run_is_new_at_each_call_and_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = Run.get_context(), Run.get_context()
    assert isinstance(one, OfflineRun)
    assert not isinstance(one, Run)
    assert one.id.startswith("OfflineRun_")
    assert one.id != other.id
    assert one.child_run("c").id == f"{one.id}.c"

    with pytest.raises(KeyError), one as same:
        raise KeyError
    assert same is one
    told = capsys.readouterr().out
    assert told == f"[START] Run {one.id} context\n[STOP] Run {one.id} context\n"
    with one.child_run() as child:
        child.log_row("r", x=1)
    assert "Attempted to log row metric r:\n{'x': 1}" in capsys.readouterr().out


def test_offline_can_be_refused() -> None:
    with pytest.raises(RunEnvironmentException):
        Run.get_context(allow_offline=False)
    with pytest.raises(RunEnvironmentException):
        Run.get_submitted_run()
