"""One sweep over a Docker engine and a Ray cluster at once, and another that goes on from it."""

import json

import pytest

from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.expressions import choice
from dispatcher.client.v1.sweeps.policies import BanditPolicy
from dispatcher.client.v1.sweeps.sampling import GridParameterSampling
from tests.rigs.desk import Desk
from tests.rigs.dockerd import Dockerd
from tests.rigs.raycluster import RayCluster

TRIAL = """
import sys, time
from dispatcher import Run

level = float(sys.argv[sys.argv.index("--level") + 1])
run = Run.get_context()
for epoch in range(5):
    run.log("score", level + epoch / 1000)
    if epoch == 2 and level < 0:
        time.sleep(300)
"""


@pytest.mark.timeout(240)
def test_a_sweep_over_docker_and_ray_ends_the_bad_and_is_gone_on_from(
    shared: Desk, dockerd: Dockerd, ray_cluster: RayCluster
) -> None:
    shared.attach(
        "box", kind="docker", docker_host=dockerd.url, image="test/py:1", network="none", cpus=2
    )
    shared.attach(
        "cluster",
        kind="ray",
        address=ray_cluster.address,
        node_ip_address=ray_cluster.head.address,
        token=ray_cluster.token,
    )
    script = shared.config(shared.source("trial", main=TRIAL), target="box", gpus=0)

    def sweep(*levels: float) -> HyperDriveConfig:
        made = HyperDriveConfig(
            GridParameterSampling({"level": choice(*levels)}),
            "score",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=20,
            max_concurrent_runs=2,
            policy=BanditPolicy(slack_amount=0.5, evaluation_interval=3),
            run_config=script,
        )
        made._targets = ["box", "cluster"]
        return made

    run = shared.experiment.submit(sweep(1, 1.1, -1, -1.1))
    assert run.wait_for_completion(timeout=200)["status"] == "Completed"
    views = {view["id"]: view for view in (shared.view(child.id) for child in run.get_children())}
    levels = {key: json.loads(v)["level"] for key, v in run.get_hyperparameters().items()}
    found = {levels[key]: (view["target"], view["status"]) for key, view in views.items()}
    assert found == {
        1: ("box", "Completed"),
        1.1: ("cluster", "Completed"),
        -1: ("box", "Canceled"),
        -1.1: ("cluster", "Canceled"),
    }
    config = sweep(1, 1.1, 1.2)
    config._resume_from = [run]
    later = shared.experiment.submit(config)
    later.wait_for_completion(timeout=100)
    assert [json.loads(v)["level"] for v in later.get_hyperparameters().values()] == [1.2]
