"""One tree over three kinds of target: parent in Docker, children on Ray, grandchildren local."""

from pathlib import Path

import pytest

from tests.rigs.desk import Desk
from tests.rigs.dockerd import Dockerd
from tests.rigs.raycluster import RayCluster

TREE = """
import os, sys
from dispatcher import Run, RunConfiguration, ScriptRunConfig
run = Run.get_context()
targets = sys.argv[1:]
print(run.id, "on", targets[0], "sees", os.environ.get("CUDA_VISIBLE_DEVICES"))
run.log("depth", len(targets))
if targets[1:]:
    config = RunConfiguration()
    config.target = targets[1]
    config.gpus = 0 if targets[1] == "local" else 1
    for _ in range(2):
        run.submit_child(ScriptRunConfig(".", "main.py", targets[1:], config))
    for child in run.get_children():
        child.wait_for_completion()
"""


@pytest.mark.timeout(240)
def test_parent_on_docker_children_on_ray_grandchildren_local_are_one_tree(
    shared: Desk, dockerd: Dockerd, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    shared.attach_answering(
        "box", kind="docker", docker_host=dockerd.url, image="test/py:1", network="none", cpus=2
    )
    shared.attach_answering(
        "cluster",
        kind="ray",
        address=ray_cluster.address,
        node_ip_address=ray_cluster.head.address,
        token=ray_cluster.token,
        accepts="any-run",
    )
    source = shared.source("tree", main=TREE)
    root = shared.submit(source, "box", "cluster", "local", target="box")
    root.wait_for_completion(timeout=180)
    below = list(root.get_children(recursive=True))
    views = [shared.view(run.id) for run in [root, *below]]
    assert [v["status"] for v in views] == ["Completed"] * 7
    assert sorted(v["target"] for v in views) == ["box"] + ["cluster"] * 2 + ["local"] * 4
    metrics = root.get_metrics(recursive=True)
    depths = [values["depth"] for values in metrics.values()]
    assert sorted(depths) == [1, 1, 1, 1, 2, 2, 3]
    on_ray = [v for v in views if v["target"] == "cluster"]
    assert all(len(v["gpus"]) == 1 for v in on_ray)
    places = {(v["nodes"][0], v["gpus"][0]) for v in on_ray}
    overlap = on_ray[0]["ended_at"] > on_ray[1]["started_at"]
    assert len(places) == 2 or not overlap
