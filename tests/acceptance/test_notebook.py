"""A notebook in a real kernel: it submits, waits, shows the widget and reads metrics."""

import os
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.rigs.desk import Desk
from tests.rigs.v1names import SHIM

TRAIN = """
import time
from azureml.core import Run
run = Run.get_context()
for k in range(3):
    run.log("loss", 1 / (k + 1))
    print("step", k, "<script>")
run.log_row("row", a=1, b=2)
"""
CELLS = [
    "import azureml.core\n"
    "from azureml.core import Experiment, ScriptRunConfig, Workspace\n"
    "from azureml.widgets import RunDetails\n"
    "ws = Workspace.from_config()\n"
    "exp = Experiment(ws, 'notebook')\n"
    "print(azureml.core.VERSION)",
    "run = exp.submit(ScriptRunConfig('src', script='main.py'))\nRunDetails(run).show()",
    "run.wait_for_completion(show_output=True)['status']",
    "import time\n"
    "for _ in range(100):\n"
    "    if not any(t.name == 'dispatcher-widget' for t in __import__('threading').enumerate()):\n"
    "        break\n"
    "    time.sleep(0.1)\n"
    "run.get_metrics()",
    "RunDetails(run).show()",
    "RunDetails(run).get_widget_data()['run_metrics'][0]['series']",
    "with exp.start_logging(outputs=False) as other:\n"
    "    other.log('x', 1)\n"
    "    with other.child_run() as child:\n"
    "        child.log('y', 2)\n"
    "widget = RunDetails(other)\n"
    "widget.show()\n"
    "widget.get_widget_data()['children_metrics'][child.id]",
]


@pytest.fixture(scope="module")
def executed(shared: Desk) -> Any:
    """The notebook, executed in the desk's folder by a kernel of its own."""
    source = shared.folder / "src"
    source.mkdir()
    (source / "main.py").write_text(TRAIN)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in CELLS])
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources=_at(shared.folder)
    )
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([SHIM, *([paths] if paths else [])])
    try:
        client.execute()
    finally:
        if paths is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = paths
    return notebook


def _at(folder: Path) -> dict[str, Any]:
    return {"metadata": {"path": str(folder)}}


def text(cell: Any) -> str:
    """What a cell printed and answered."""
    parts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs]
    return "".join(parts)


def html(cell: Any) -> str:
    return "".join(out.get("data", {}).get("text/html", "") for out in cell.outputs)


def test_it_runs_in_a_real_kernel(executed: Any) -> None:
    assert text(executed.cells[0]).strip() == "1.61.0"
    assert executed.metadata.language_info.name == "python"


def test_the_widget_is_a_table_that_follows_the_run_to_its_end(executed: Any) -> None:
    shown = html(executed.cells[1])
    assert "<th style='text-align:left'>Status</th>" in shown
    assert ">Completed</td>" in shown, shown  # the cell's output as it was at the notebook's end


def test_the_log_is_streamed_and_the_wait_says_how_it_ended(executed: Any) -> None:
    printed = text(executed.cells[2])
    assert "Streaming user_logs/std_log.txt" in printed
    assert "step 2 <script>" in printed
    assert printed.rstrip().endswith("'Completed'")


def test_metrics_are_read_in_the_notebook(executed: Any) -> None:
    assert "'loss': [1.0, 0.5, 0.3333333333333333]" in text(executed.cells[3])
    assert "'row': {'a': 1, 'b': 2}" in text(executed.cells[3])
    assert "[{'data': [1.0, 0.5, 0.3333333333333333]}]" in text(executed.cells[5])


def test_a_widget_of_an_ended_run_shows_metrics_and_log_as_text(executed: Any) -> None:
    shown = html(executed.cells[4])
    assert "<h4>Metrics</h4>" in shown
    assert "step 2 &lt;script&gt;" in shown
    assert "<script>" not in shown


def test_a_widget_of_a_parent_shows_its_children(executed: Any) -> None:
    assert "<h4>Children</h4>" in html(executed.cells[6])
    assert "{'y': 2}" in text(executed.cells[6])


def test_in_a_terminal_the_widget_prints(shared: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    from dispatcher.client.v1.runs.run_details import RunDetails

    with shared.experiment.start_logging(outputs=False, snapshot_directory=None) as run:
        run.log("loss", 0.5)
    RunDetails(run).show()

    told = capsys.readouterr().out
    assert f"Run:       {run.id}" in told
    assert "Status:    Completed" in told
    assert "loss: 0.5" in told
