"""`dispatcher migrate lint`: what it says of code, and that no file can make it stumble."""

import inspect
import json
import os
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.cli.linting import remarks, surface, values
from dispatcher.cli.linting.findings import Finding, SupportLevel
from dispatcher.cli.migrate import lint_folder
from tests.rigs.terminal import command

HEAD = """\
import azureml.core as ac
from azureml.core import Experiment as Exp, Run, RunConfiguration, ScriptRunConfig, Workspace
ws = Workspace.from_config()
exp = Exp(ws, "e")
"""
YES, ALMOST, NO = SupportLevel.SUPPORTED, SupportLevel.APPROXIMATED, SupportLevel.UNSUPPORTED


def lint(folder: Path, code: str, name: str = "code.py") -> list[Finding]:
    (folder / name).write_text(code)
    return lint_folder(folder)


def said(findings: list[Finding], line: int) -> dict[str, SupportLevel]:
    return {each.call: each.verdict for each in findings if each.line == line}


@pytest.mark.parametrize(
    ("code", "call", "verdict"),
    [
        ("Run.get_context().log('a', 1)", "Run.log", YES),
        (
            "exp.submit(ScriptRunConfig('.', 's.py')).wait_for_completion()",
            "Run.wait_for_completion",
            ALMOST,
        ),
        ("exp.submit(ScriptRunConfig('.', 's.py', colour=1))", "azureml.core.ScriptRunConfig", NO),
        ("ac.Run.get_context().tag('a')", "Run.tag", YES),
        ("ac.Dataset.get_by_name(ws, 'x')", "azureml.core.Dataset", NO),
        ("for run in exp.get_runs(): run.nonsense()", "Run.nonsense", NO),
        ("[run.get_metrics() for run in exp.get_runs()]", "Run.get_metrics", YES),
        ("list(exp.get_runs())[0].cancel()", "Run.cancel", ALMOST),
        ("next(exp.get_runs()).parent.cancel()", "Run.cancel", ALMOST),
        ("for i, run in enumerate(exp.get_runs()): run.flush()", "Run.flush", YES),
        ("for n, e in ws.experiments.items(): e.get_runs()", "Experiment.get_runs", YES),
        ("ws.experiments['a'].start_logging()", "Experiment.start_logging", YES),
        ("with exp.start_logging() as run: run.complete()", "Run.complete", YES),
        ("with exp.start_logging() as a, a.child_run() as b: b.nothing()", "Run.nothing", NO),
        ("(run := exp.start_logging()).log_row('a', b=1)", "Run.log_row", YES),
        ("def f(run: Run): run.absent()", "Run.absent", NO),
        ("def f(run: 'Run'): run.absent()", "Run.absent", NO),
        ("def f(r): r.absent()\nf(exp.start_logging())", "Run.absent", NO),
        ("def make(): return exp.start_logging()\nmake().log('a', 1)", "Run.log", YES),
        ("async def f():\n    run = exp.start_logging()\n    run.log('a', 1)", "Run.log", YES),
        (
            "class A:\n def __init__(self): self.r = Run.get_context()\n def b(self): self.r.no()",
            "Run.no",
            NO,
        ),
        (
            "c = RunConfiguration()\nc.environment.docker.enabled = True\nc.collor = 1",
            "RunConfiguration.collor",
            NO,
        ),
        ("ws.get_default_datastore()", "Workspace.get_default_datastore", NO),
        ("import azureml.opendatasets", "azureml.opendatasets", NO),
        ("from azureml.interpret import X", "azureml.interpret.X", NO),
        ("from azureml.core import *\nRun.get_context().log('a', 1)", "Run.log", YES),
        (
            "ws.compute_targets['c'].wait_for_completion(min_node_count=1)",
            "ComputeTarget.wait_for_completion",
            YES,
        ),
        (
            "from azureml.pipeline.steps import PythonScriptStep as P\nP(name='x')",
            "azureml.pipeline.steps.PythonScriptStep",
            NO,
        ),
        ("exp.submit(hd).get_best_run_by_primary_metric().cancel()", "Run.cancel", ALMOST),
        ("Run.get_context().get_secret('x')", "Run.get_secret", NO),
        ("R = Run\nR.get_context().log('a', 1)", "Run.log", YES),
    ],
)
def test_a_use_of_azureml_is_judged_where_it_stands(
    tmp_path: Path, code: str, call: str, verdict: SupportLevel
) -> None:
    found = lint(tmp_path, HEAD + code)

    judged = {each.call: each for each in found}
    assert judged[call].verdict is verdict, found
    assert judged[call].line > HEAD.count("\n")
    assert bool(judged[call].fix) == (verdict is not YES)


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.getcwd()",
        "def f(run): run.anything_at_all()",  # the class is only guessed
        "run = None\nrun.nonsense()",
        "Run = object\nRun.nonsense()",
        "import other.azureml as ac\nac.nonsense()",
        "from .azureml import core\ncore.nonsense()",
        "exp.custom = 3",
    ],
)
def test_what_it_cannot_follow_it_says_nothing_of(tmp_path: Path, code: str) -> None:
    assert [f for f in lint(tmp_path, HEAD + code) if f.line > 4] == []


def test_cells_of_a_notebook_are_one_program_and_magics_are_passed_over(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": "from azureml.core import Dataset"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n", HEAD]},
        {"cell_type": "code", "source": "%%bash\nazureml nonsense ("},
        {
            "cell_type": "code",
            "source": "%%time\n\nrun = exp.start_logging()\nrun?\nrun.nonsense()",
        },
        {"cell_type": "code"},
    ]
    found = lint(tmp_path, json.dumps({"cells": cells, "nbformat": 4}), "nb.ipynb")

    assert [f.place for f in found if f.verdict is NO] == ["nb.ipynb:cell 4:5"]
    assert said(found, 3)["Experiment.start_logging"] is YES
    assert not [f for f in found if f.verdict is SupportLevel.UNREADABLE]


def test_a_script_that_a_notebook_writes_is_a_program_of_its_own(tmp_path: Path) -> None:
    script = "%%writefile $folder/train.py\n\nfrom azureml.core import Run\nRun.get_context().no()"
    cells = [
        {"cell_type": "code", "source": "Run = print"},
        {"cell_type": "code", "source": script},
        {"cell_type": "code", "source": "%%writefile notes.txt\nimport azureml.opendatasets"},
        {"cell_type": "code", "source": "%%writefile broken.py\nfrom azureml import ("},
    ]
    found = lint(tmp_path, json.dumps({"cells": cells}), "nb.ipynb")

    assert [(f.place, f.verdict) for f in found] == [
        ("nb.ipynb:cell 2:4", YES),
        ("nb.ipynb:cell 2:4", NO),
        ("nb.ipynb:cell 4:2", SupportLevel.UNREADABLE),
    ]


LINT = ("migrate", "lint")
DEEP = "import azureml\nx = " + "(" * 5000 + ")" * 5000
LONG = "import azureml\nx = a" + ".b" * 20_000
SUM = "import azureml\nx = " + "1+" * 50_000 + "1"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("two.py", b"print 'python 2'\n"),
        ("binary.py", bytes(range(256))),
        ("latin.py", "# caf\xe9\n".encode("latin-1")),
        ("coding.py", b"# -*- coding: nonsense -*-\n"),
        ("huge.py", b"#" * (2 * 1024 * 1024 + 1)),
        ("deep.py", DEEP.encode()),
        ("long.py", LONG.encode()),
        ("sum.py", SUM.encode()),
        ("broken.ipynb", b'{"cells": ['),
        ("list.ipynb", b"[1, 2]"),
        ("cells.ipynb", b'{"cells": 3}'),
        ("nested.ipynb", b"[" * 200_000),
        ("cell.ipynb", b'{"cells": [{"cell_type": "code", "source": "def ("}]}'),
        ("empty.ipynb", b""),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_the_next_one_is_judged(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    found = lint(tmp_path, HEAD, "z.py")

    wrong = [each for each in found if each.verdict is SupportLevel.UNREADABLE]
    assert [each.file for each in wrong] == [name]
    assert wrong[0].fix
    assert [each for each in found if each.file == "z.py"]


def test_odd_files_and_folders_are_passed_by(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "folder.py").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.py").write_text("from azureml.core import Dataset")
    (tmp_path / "weird.ipynb").write_text(
        json.dumps({"cells": [1, {"cell_type": "code", "source": 3}, {"source": ["a", 1]}]})
    )
    found = lint(tmp_path, "import azureml.core\r\nazureml.core.Dataset\r\n", "fine.py")

    assert {each.file for each in found if each.verdict is SupportLevel.UNREADABLE} == {
        "pipe.py",
        "gone.py",
    }
    assert [each.place for each in found if each.verdict is NO] == ["fine.py:2"]


def test_the_code_is_never_executed(tmp_path: Path) -> None:
    lint(tmp_path, f"import azureml\nopen({str(tmp_path / 'ran')!r}, 'w')\n")
    assert not (tmp_path / "ran").exists()


def test_each_remark_is_about_something_that_is_there_or_not_as_it_says() -> None:
    for name in remarks.DIFFERENCES:
        owner, _, member = name.partition(".")
        cls = surface.classes()[owner]
        found = surface.member(cls, member) if member else cls
        assert found is not None, name
        assert surface.refusal(found) is None, (
            f"{name} is refused: the remark belongs to ALTERNATIVES"
        )
    for name in remarks.ALTERNATIVES:
        home, _, member = name.rpartition(".")
        owner_value = (
            values.module(home)
            if home.startswith("azureml")
            else values.Object(surface.classes()[home])
        )
        found_value = values.attribute(owner_value, member)
        assert isinstance(found_value, values.Unsupported), f"{name} is there: take the remark out"


def test_every_method_of_the_shim_is_judged_as_the_shim_has_it(tmp_path: Path) -> None:
    for name, cls in surface.classes().items():
        for method, function in inspect.getmembers(cls, inspect.isfunction):
            if method.startswith("_"):
                continue
            found = values.attribute(values.Object(cls), method)
            refused = surface.refusal(function) is not None
            assert isinstance(found, values.Unsupported if refused else values.Function), (
                name,
                method,
            )


def test_the_command_prints_findings_and_ends_with_1_if_something_is_unsupported(
    tmp_path: Path,
) -> None:
    (tmp_path / "fine.py").write_text(HEAD + "Run.get_context().cancel()\n")
    fine = command(main.program(), *LINT, tmp_path, "-o", "json")
    assert fine.code == 0
    assert "0 unsupported" in fine.err
    (tmp_path / "not.py").write_text("from azureml.core import Dataset\n")

    told = command(main.program(), *LINT, tmp_path, "--only", "unsupported", "-o", "json")

    assert told.code == 1
    (found,) = json.loads(told.out)
    assert (found["place"], found["line"], found["cell"]) == ("not.py:1", 1, None)
    assert (found["call"], found["verdict"]) == ("azureml.core.Dataset", "unsupported")
    assert found["fix"].startswith("There are no datasets; pass paths")
    assert command(main.program(), *LINT, tmp_path / "missing").code == 2
    assert "not.py:1" in command(main.program(), *LINT, tmp_path / "not.py").out
