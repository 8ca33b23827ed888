"""The document's example on a Docker target, and what its four devices are given to."""

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.v1.runs.run import Run
from tests.rigs.desk import Desk, desk
from tests.rigs.dockerd import IMAGE, Dockerd

FRUIT = Path(__file__).parents[2] / "examples" / "fruit"
GPUS = ("0", "1", "2", "3")

# A device is in use from the first line that runs to the last.
USES = """
import json, os, time
start = time.time()
time.sleep(0.2)
seen = os.environ["NVIDIA_VISIBLE_DEVICES"]
print(json.dumps({"seen": seen, "cuda": os.environ["CUDA_VISIBLE_DEVICES"],
                  "start": start, "end": time.time()}))
"""


@pytest.fixture(scope="module")
def gpus(tmp_path_factory: pytest.TempPathFactory, dockerd_gpu: Dockerd) -> Iterator[Desk]:
    """A desk with `gpu-compute`, an engine of four devices."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        made.attach_answering(
            "gpu-compute",
            kind="docker",
            docker_host=dockerd_gpu.url,
            image=IMAGE,
            network="none",
            cpus=4,
            gpus=GPUS,
        )
        yield made


def log(run: Run) -> str:
    return "".join(run.get_details_with_logs()["logFiles"].values())


def test_the_documents_parent_runs_its_children_on_docker_each_with_its_device(
    gpus: Desk, tmp_path: Path
) -> None:
    source = tmp_path / "fruit"
    source.mkdir()
    for script in ("parent.py", "child.py"):
        shutil.copy(FRUIT / script, source / script)

    parent = gpus.submit(str(source), script="parent.py", target="cpu")
    parent.wait_for_completion(timeout=120)

    children = list(parent.get_children())
    assert len(children) == 3
    for child in children:
        view = gpus.view(child.id)
        assert (view["status"], view["target"], len(view["gpus"])) == (
            "Completed",
            "gpu-compute",
            1,
        )
        assert f"sees GPU {view['gpus'][0]}\n" in log(child)
        assert len(child.get_metrics()["ripeness"]) == 3
    assert {child.get_tags()["fruit"] for child in children} == {"Apple", "Banana", "Orange"}


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(280)
def test_no_two_runs_ever_share_a_device(gpus: Desk, count: int) -> None:
    source = gpus.source("uses", main=USES)
    runs = [gpus.submit(source, target="gpu-compute", gpus=1) for _ in range(count)]
    for run in runs:
        run.wait_for_completion(timeout=240)

    uses: dict[str, list[tuple[float, float]]] = {gpu: [] for gpu in GPUS}
    for run in runs:
        said: dict[str, Any] = json.loads(log(run))
        assert gpus.view(run.id)["gpus"] == [said["seen"]]
        assert said["cuda"] == "0"  # the one device that it sees
        uses[said["seen"]].append((said["start"], said["end"]))

    assert sum(map(len, uses.values())) == count
    assert all(uses.values()), "every device was used"
    for spans in uses.values():
        for (_, end), (start, _) in pairwise(sorted(spans)):
            assert end < start


FAMILY = """
import socket, sys
from dispatcher import Run, RunConfiguration, ScriptRunConfig
run = Run.get_context()
assert not [name for _, name in socket.if_nameindex() if name != "lo"], "there is a network"
for target in sys.argv[1:]:
    config = RunConfiguration()
    config.target = target
    run.submit_child(ScriptRunConfig(".", "child.py", [], config))
for child in run.get_children():
    child.wait_for_completion()
run.log("children", len(list(run.get_children())))
"""
CHILD = "from dispatcher import Run\nRun.get_context().log('here', 1)\n"


def test_a_parent_in_a_container_without_a_network_lends_its_slot_to_its_children(
    gpus: Desk, dockerd: Dockerd
) -> None:
    gpus.attach("box", kind="docker", docker_host=dockerd.url, image=IMAGE, network="none", cpus=1)
    gpus.attach("local", kind="local", accepts="any-run")
    source = gpus.source("family", main=FAMILY, child=CHILD)

    parent = gpus.submit(source, "local", "box", target="box")  # one child needs the same slot
    parent.wait_for_completion(timeout=120)

    children = [gpus.view(child.id) for child in parent.get_children()]
    assert {(v["target"], v["status"]) for v in children} == {
        ("local", "Completed"),
        ("box", "Completed"),
    }
    assert parent.get_metrics()["children"] == 2
