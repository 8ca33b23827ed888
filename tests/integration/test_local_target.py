"""The local target, with a real agent and real processes, keeps the contract of all targets."""

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from os import kill

import pytest

from dispatcher.wire.jobs import Job
from targets.base import Target
from targets.config import LocalConfig
from targets.local import LocalTarget
from targets.service_address import ServiceAddress
from targets.testing import AdmissionQueueContract
from tests.rigs.processes import running


@pytest.fixture
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    root = tmp_path_factory.mktemp("local")
    site = ServiceAddress("contract", root / "nodes", root, root / "nobody", "http://127.0.0.1:9")
    target = LocalTarget(LocalConfig(name="here", cpus=1), site, "token")
    yield target
    target.close()
    for agent in running("dispatcher.agent serve", str(root / "nodes" / "here")):
        with suppress(ProcessLookupError):
            kill(agent.pid, signal.SIGTERM)


class TestContract(AdmissionQueueContract):
    """What every target keeps whose nodes queue."""

    @pytest.fixture
    def target(self, local: LocalTarget) -> Target:
        return local

    @pytest.fixture
    def make_job(self) -> Callable[[str], Job]:
        return lambda name: Job(name, name[:-2], 1, command="exec sleep 60")
