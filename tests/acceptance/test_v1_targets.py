"""One program of v1, unchanged, on Docker and on Ray: a family, files, metrics, ranks."""

from pathlib import Path

import pytest

from tests.rigs.desk import Desk
from tests.rigs.programs import HEAD, RANKS, program


@pytest.fixture
def folder(far: Desk, request: pytest.FixtureRequest) -> Path:
    """A folder of the program's own, below the workspace's."""
    made = far.folder / request.node.name.replace("[", "-").rstrip("]")
    made.mkdir()
    return made


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", ["box", "cluster"])
def test_a_family_with_files_and_metrics(folder: Path, target: str) -> None:
    program(
        folder,
        '''
        write("""
import math, os, sys
from azureml.core import RunConfiguration, ScriptRunConfig
depth = int(sys.argv[1])
config = RunConfiguration()
config.target = sys.argv[2]
config.gpus = 0
print("depth", depth)
run.log("odd", math.nan); run.log_list("list", [depth, 2]); run.log_row("row", a=depth)
run.tag("depth", str(depth))
os.makedirs("outputs", exist_ok=True)
with open("outputs/kept.txt", "w") as file:
    file.write("depth %d" % depth)
run.upload_file("up.txt", "outputs/kept.txt")
if depth:
    child = run.submit_child(ScriptRunConfig(".", "main.py", [depth - 1, *sys.argv[2:]], config))
    child.wait_for_completion()
""")
        target = "TARGET"
        rc = RunConfiguration()
        rc.target, rc.gpus = target, 0
        root = exp.submit(ScriptRunConfig("src", "main.py", [2, target], rc))
        details = root.wait_for_completion(show_output=True)
        assert (details["status"], details["target"]) == ("Completed", target)
        below = list(root.get_children(recursive=True))
        assert [r.status for r in below] == ["Completed"] * 2
        deepest = root.get_children(recursive=True, tags={"depth": "0"})
        assert [r.id for r in deepest] == [below[0].id]
        metrics = root.get_metrics(recursive=True)
        assert sorted(m["list"][0] for m in metrics.values()) == [0, 1, 2]
        assert all(m["odd"] != m["odd"] for m in metrics.values())
        below[0].download_file("outputs/kept.txt", "deepest.txt")
        assert open("deepest.txt").read() == "depth 0"
        assert "up.txt" in below[1].get_file_names()
        '''.replace("TARGET", target),
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", ["box", "cluster"])
def test_every_process_of_a_distributed_run_knows_its_rank(folder: Path, target: str) -> None:
    program(
        folder,
        """
        def seen(job):
            src = config(compute_target="TARGET", distributed_job_config=job)
            src.run_config.cpus, src.run_config.gpus = 0.5, 0
            run = exp.submit(src)
            run.wait_for_completion(show_output=True)
            rows = run.get_metrics()["seen"]
            return [dict(zip(rows, row)) for row in zip(*rows.values())]

        rows = seen(PyTorchConfiguration("Gloo", process_count=2))
        assert sorted((r["RANK"], r["WORLD_SIZE"]) for r in rows) == [("0", "2"), ("1", "2")], rows
        assert len({(r["MASTER_ADDR"], r["MASTER_PORT"]) for r in rows}) == 1
        rows = seen(MpiConfiguration(process_count_per_node=2))
        assert sorted((r["RANK"], r["SIZE"]) for r in rows) == [("0", "2"), ("1", "2")], rows
        if "TARGET" == "cluster":
            rows = seen(MpiConfiguration(process_count_per_node=1, node_count=2))
            ranks = sorted((r["RANK"], r["LOCAL_RANK"]) for r in rows)
            assert ranks == [("0", "0"), ("1", "0")], rows
        """.replace("TARGET", target),
        head=HEAD + RANKS,
    )
