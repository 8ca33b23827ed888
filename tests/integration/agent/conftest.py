"""What the agent's tests ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import Agent, agent_on


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with agent_on(tmp_path / "agent") as one:
        yield one


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as one:
        yield one
