"""`dispatcher sweep …` on real runs."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from dispatcher.cli import main
from tests.acceptance.test_sweeps import TRAIN
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

FILE: dict[str, Any] = {
    "script": "main.py",
    "arguments": ["--epochs", 1],
    "cpus": 0.1,
    "experiment": "files",
    "sampling": {
        "type": "grid",
        "parameter_space": {"lr": ["choice", [1, 2]], "size": ["choice", [1, 2, 3]]},
    },
    "primary_metric_name": "loss",
    "primary_metric_goal": "minimize",
    "max_total_runs": 20,
    "max_concurrent_runs": 3,
}

# Every other trial logs nothing that is a number.
ODD = """
import sys
from azureml.core import Run

steps = float(sys.argv[sys.argv.index("--steps") + 1])
run = Run.get_context()
run.log("loss", steps if int(run.id.rpartition("_")[2]) % 2 else float("nan"))
"""


def cli(*words: object) -> Answer:
    return command(main.program(), "sweep", *words, "-w", "desk")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(TRAIN)
    path = tmp_path / "sweep.yaml"
    path.write_text(json.dumps(FILE))  # JSON is YAML
    return path


def test_a_dry_run_prints_the_first_cells_and_starts_nothing(shared: Desk, file: Path) -> None:
    cells = cli("submit", file, "--dry-run", "--cells", 4, "-o", "json").json()
    assert cells == [
        *({"lr": 1, "size": size} for size in (1, 2, 3)),
        {"lr": 2, "size": 1},
    ]
    found = shared.workspace.service.get("/runs", [("type", "hyperdrive")])["runs"]
    assert found == []


def test_a_sweep_of_a_file_is_shown_exported_and_drawn(
    shared: Desk, file: Path, tmp_path: Path
) -> None:
    answer = cli("submit", file)
    assert answer.code == 0, answer.err
    assert "6 Completed; best 2" in answer.out
    [run] = shared.workspace.service.get("/runs", [("experiment", "files")])["runs"]
    sweep = run["id"]
    shown = cli("show", sweep, "-o", "json").json()
    assert shown["trials"] == {"Completed": 6}
    assert len(shown["table"]) == 6
    best = cli("best", sweep, "-o", "json").json()
    assert best["hyperparameters"] == {"lr": 1, "size": 1}
    assert cli("export", sweep, tmp_path / "out.csv").code == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [(row["param.lr"], row["param.size"]) for row in rows] == [
        (str(lr), str(size)) for lr in (1, 2) for size in (1, 2, 3)
    ]
    assert cli("export", sweep, tmp_path / "out.parquet").code == 0
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.column("param.lr").to_pylist() == [1, 1, 1, 2, 2, 2]
    assert table.column("best_primary_metric").to_pylist() == [2.0, 3.0, 4.0, 3.0, 5.0, 7.0]
    assert str(table.schema.field("best_primary_metric").type) == "double"
    drawn = cli("plot", sweep, "-o", "json").json()["plots"]
    assert [Path(name).stem for name in drawn] == [
        *("history", "parallel_coordinate", "importances"),
    ]
    names = shared.workspace.get_run(sweep).get_file_names()
    assert set(drawn) <= set(names)
    here = cli("plot", sweep, "-d", tmp_path / "plots", "-o", "json").json()["plots"]
    pages = [Path(name).read_text() for name in here]
    assert len(pages) == 3
    assert all("lr" in page and "Plotly.newPlot" in page for page in pages[1:])


def test_a_table_of_any_values_is_exported_and_drawn(shared: Desk, tmp_path: Path) -> None:
    options = [1, 2.5, "adam", True, [1, 2], {"a": None}]
    space = {"what": ["choice", [options]], "rate": ["lognormal", [0, 1]]}
    space["steps"] = ["randint", [5]]
    told = {
        **FILE,
        "script": None,
        "command": f"{sys.executable} odd.py",
        "sampling": {"type": "random", "seed": 3, "parameter_space": space},
        "max_total_runs": 12,
    }
    (tmp_path / "odd.py").write_text(ODD)
    (tmp_path / "odd.yaml").write_text(json.dumps(told))
    sweep = cli("submit", tmp_path / "odd.yaml", "--async", "-o", "json").json()["run_id"]
    shared.workspace.get_run(sweep).wait_for_completion(timeout=120)
    assert cli("export", sweep, tmp_path / "odd.parquet").code == 0
    table = pyarrow.parquet.read_table(tmp_path / "odd.parquet")
    assert table.num_rows == 12
    assert set(table.column("param.what").to_pylist()) <= {
        *("1", "2.5", "adam", "True", "[1, 2]", '{"a": null}')
    }
    assert None in table.column("best_primary_metric").to_pylist()
    assert len(cli("plot", sweep, "-d", tmp_path / "plots", "-o", "json").json()["plots"]) == 3


@pytest.mark.parametrize(
    ("module", "words", "reason"),
    [
        ("pyarrow", ("export", "{sweep}", "out.parquet"), "pip install pyarrow"),
        ("plotly", ("plot", "{sweep}"), "compute-target-dispatcher[plots]"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    shared: Desk, file: Path, monkeypatch: pytest.MonkeyPatch, module: str, words: Any, reason: str
) -> None:
    one = {"type": "grid", "parameter_space": {"lr": ["choice", [1]], "size": ["choice", [1]]}}
    file.write_text(json.dumps({**FILE, "sampling": one}))
    sweep = cli("submit", file, "--async", "-o", "json").json()["run_id"]
    shared.workspace.get_run(sweep).wait_for_completion(timeout=60)
    monkeypatch.setitem(sys.modules, module, None)  # what an import of it fails on
    answer = cli(*(word.format(sweep=sweep) for word in words))
    assert (answer.code, reason in answer.err) == (2, True), answer.err


def test_a_sweep_is_steered(shared: Desk, file: Path) -> None:
    told = {**FILE, "sampling": {"type": "random", "parameter_space": {
        "lr": ["uniform", [0, 1]], "size": ["choice", [1]]}}, "max_total_runs": 1000}  # fmt: skip
    file.write_text(json.dumps(told))
    sweep = cli("submit", file, "--async", "-o", "json").json()["run_id"]
    assert cli("pause", sweep, "-o", "json").json()["paused"] is True
    extended = cli("extend", sweep, "--add", 50, "-o", "json").json()
    assert extended["spec"]["max_total_runs"] == 1050
    assert cli("resume", sweep, "-o", "json").json()["paused"] is False
    assert cli("cancel", sweep).code == 0
    again = cli("extend", sweep, "--add", 1)
    assert (again.code, "Canceled" in again.err) == (2, True)
    assert cli("retry", sweep).code == 2
    nothing = cli("retry", sweep, "--failed")
    assert (nothing.code, "no failed trial" in nothing.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sampling": {"type": "grid", "parameter_space": {"a": ["uniform", [0, 1]]}}}, "choice"),
        ({"sampling": {"type": "random", "parameter_space": {}}}, "parameter_space"),
        ({"script": None}, "script"),
        ({"script": "missing.py"}, "missing.py"),
        ({"source_directory": "nowhere"}, "nowhere"),
        ({"policy": {"type": "asha", "colour": 1}}, "colour"),
        ({"max_total_runs": 0}, "max_total_runs"),
        ({"primary_metric_goal": "up"}, "primary_metric_goal: Input should be 'maximize'"),
        ({"primary_metric_name": None}, "primary_metric_name: Input should be"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_files_mistakes_are_named(
    shared: Desk, file: Path, change: dict[str, Any], reason: str
) -> None:
    file.write_text(json.dumps({**FILE, **change}))
    answer = cli("submit", file)
    assert (answer.code, reason in answer.err) == (2, True), answer.err
