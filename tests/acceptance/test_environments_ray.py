"""Environments on the nodes of a Ray cluster: each node that needs one builds it, once."""

import pytest

from dispatcher.client.errors import ActivityFailedException
from tests.acceptance.test_environments import LOG, WHERE, build_held, logs, packages
from tests.rigs.desk import Desk
from tests.rigs.raycluster import RayCluster


@pytest.mark.timeout(240)
def test_a_node_builds_what_a_run_needs_and_a_build_that_fails_fails_it(
    own: Desk, ray_cluster: RayCluster
) -> None:
    own.attach_answering(
        "cluster",
        kind="ray",
        address=ray_cluster.address,
        node_ip_address=ray_cluster.head.address,
        token=ray_cluster.token,
        default_gpus=0,
    )
    source = own.source("where", main=WHERE)
    run = own.submit(source, environment=packages("six16", "six==1.16.0"), target="cluster")
    run.wait_for_completion()
    told = logs(own, run.id)
    assert "six==1.16.0" in told[LOG]
    assert told["user_logs/std_log.txt"].startswith("six 1.16.0 by ")
    assert "/environments/" in told["user_logs/std_log.txt"]

    build_held(own, "cluster")

    name = "no-such-package-at-all-6174"
    bad = own.submit(source, environment=packages("bad", name), target="cluster")
    with pytest.raises(ActivityFailedException, match=name):
        bad.wait_for_completion()
    assert own.view(bad.id)["error"]["error"]["code"] == "EnvironmentBuildFailed"
