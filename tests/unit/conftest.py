"""What several unit tests ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher import Experiment, ScriptRunConfig
from dispatcher.store.sql import SqlStore
from tests.unit.fake_server import serving
from tests.unit.fake_service import FakeService, script_in, workspace_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty store of its own."""
    store = SqlStore(f"sqlite:///{tmp_path}/x.db")
    yield store
    store.close()


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def experiment(fake: FakeService, tmp_path: Path) -> Experiment:
    return Experiment(workspace_of(fake, tmp_path), "fruit")


@pytest.fixture
def config(tmp_path: Path) -> ScriptRunConfig:
    return ScriptRunConfig(str(script_in(tmp_path / "source")), "train.py", ["--lr", 0.1, None])
