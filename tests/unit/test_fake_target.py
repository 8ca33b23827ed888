"""The fake target keeps the contract of the real ones: what is proven with it holds for them."""

from collections.abc import Callable

import pytest

from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.wire.jobs import Job
from targets.base import Target
from targets.fake import FakeTarget
from targets.testing import AdmissionQueueContract


class TestContract(AdmissionQueueContract):
    """What every target keeps whose nodes queue."""

    @pytest.fixture
    def target(self) -> Target:
        return FakeTarget(Capacity((Node("n", 1),), has_admission_queue=True))

    @pytest.fixture
    def make_job(self) -> Callable[[str], Job]:
        return lambda name: Job(name=name, run_id=name[:-2], attempt=1)
