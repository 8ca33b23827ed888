"""What jobs bring about in containers, dedicated ones and those of the pool."""

from collections.abc import Iterator

import pytest

from targets.outcome_contract import OutcomeContract
from tests.integration.agent.fake_service import FakeService
from tests.integration.docker_jobs import Rig, make_rig
from tests.integration.outcome_bench import Bench
from tests.rigs.dockerd import Dockerd

GPUS = ("4", "7")


def bench_on(rig: Rig) -> Iterator[Bench]:
    with FakeService(rig.site.service_socket) as service:
        yield Bench(rig.target, service, GPUS, limits_memory=True, positions=True)
    rig.target.close()
    label = f"dispatcher.service={rig.site.service_id}"
    found = rig.engine.client.containers.list(
        all=True, ignore_removed=True, filters={"label": label}
    )
    for container in found:
        container.remove(force=True)


@pytest.fixture(scope="module")
def dedicated(dockerd_gpu: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("dedicated")
    yield from bench_on(make_rig(dockerd_gpu, folder, real_agent=True, gpus=GPUS))


@pytest.fixture(scope="module")
def pooled(dockerd_gpu: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("pooled")
    yield from bench_on(make_rig(dockerd_gpu, folder, real_agent=True, gpus=GPUS, warm=True))


class TestDedicated(OutcomeContract):
    @pytest.fixture
    def bench(self, dedicated: Bench) -> Bench:
        return dedicated


class TestPooled(OutcomeContract):
    @pytest.fixture
    def bench(self, pooled: Bench) -> Bench:
        return pooled
