"""What jobs bring about on the nodes of a Ray cluster."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dispatcher.wire.jobs import Rank, World
from targets.outcome_contract import OutcomeContract
from targets.testing import exited, wait_until
from tests.integration.agent.fake_service import FakeService
from tests.integration.outcome_bench import Bench
from tests.integration.ray_jobs import Rig
from tests.rigs.raycluster import RayCluster

SHOW = "import os\nprint(os.environ['TF_CONFIG'])"


@pytest.fixture(scope="module")
def rig(ray_cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with FakeService() as service:
        rig = Rig(ray_cluster, tmp_path_factory.mktemp("ray"), service)
        rig.nodes(2)
        yield rig
        rig.close()


class TestOutcomes(OutcomeContract):
    @pytest.fixture
    def bench(self, rig: Rig) -> Bench:
        node = rig.nodes(2)[0]
        return Bench(rig.target, rig.service, node.gpus[2:4], False, {"node": node.name})


def test_tensorflow_over_two_nodes_names_the_true_host_of_each_rank(rig: Rig) -> None:
    names = [node.name for node in rig.nodes(2)]
    bench = Bench(rig.target, rig.service, (), False)
    snapshot = bench.add_snapshot({"main.py": SHOW.encode()})
    first = bench.new_job(script="main.py", snapshot=snapshot, world=World(4, 2, "tensorflow"))
    parts = [
        replace(
            first,
            name=first.name + (f".{k}" if k else ""),
            node=name,
            ranks=tuple(Rank(2 * k + local, local, k) for local in (0, 1)),
        )
        for k, name in enumerate(names)
    ]

    rig.launch(*parts)

    for part in parts:
        wait_until(rig.target, part.name, exited)
    logs = [bench.log(first, f"user_logs/std_log_process_{rank}.txt") for rank in range(4)]
    configs = [json.loads(log) for log in logs]
    workers = configs[0]["cluster"]["worker"]
    assert [config["cluster"]["worker"] for config in configs] == [workers] * 4
    assert [config["task"]["index"] for config in configs] == [0, 1, 2, 3]
    hosts = [worker.rpartition(":")[0] for worker in workers]
    assert hosts[0] == hosts[1] != hosts[2] == hosts[3]
    assert set(hosts) <= {node.address for node in rig.cluster.nodes}
    assert len(set(workers)) == 4
