"""What jobs bring about on the local target, with a real agent and real processes."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from os import kill

import pytest

from targets.config import LocalConfig
from targets.local import LocalTarget
from targets.outcome_contract import OutcomeContract
from targets.service_address import ServiceAddress
from tests.integration.agent.fake_service import FakeService
from tests.integration.outcome_bench import Bench
from tests.rigs.processes import running


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("local")
    with FakeService(root / "s") as service:
        site = ServiceAddress("contract", root / "nodes", root, root / "s", "http://127.0.0.1:9")
        target = LocalTarget(LocalConfig(name="here", gpus=("4", "7")), site, "secret")
        target.jobs()
        limits = bool(target._agent.hello["memory_limits"])
        yield Bench(target, service, ("4", "7"), limits)
        target.close()
        for agent in running("dispatcher.agent serve", str(root / "nodes" / "here")):
            with suppress(ProcessLookupError):
                kill(agent.pid, signal.SIGTERM)


class TestOutcomes(OutcomeContract):
    @pytest.fixture
    def bench(self, local: Bench) -> Bench:
        return local
