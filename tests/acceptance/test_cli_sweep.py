"""`dispatcher sweep …` on real runs."""

import csv
import json
from pathlib import Path
from typing import Any

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


def cli(*words: object) -> Answer:
    return command(main.app, "sweep", *words, "-w", "desk")


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
    drawn = cli("plot", sweep, "-o", "json").json()["plots"]
    assert [Path(name).stem for name in drawn] == [
        *("history", "parallel_coordinate", "importances"),
    ]
    names = shared.workspace.get_run(sweep).get_file_names()
    assert set(drawn) <= set(names)


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
    assert (nothing.code, "no trial that failed" in nothing.err) == (2, True)


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
        ({"colour": 1}, "colour"),
    ],
)
def test_a_files_mistakes_are_named(
    shared: Desk, file: Path, change: dict[str, Any], reason: str
) -> None:
    file.write_text(json.dumps({**FILE, **change}))
    answer = cli("submit", file)
    assert (answer.code, reason in answer.err) == (2, True), answer.err
