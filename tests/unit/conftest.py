"""What several unit tests ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.store.sql import SqlStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty store of its own."""
    store = SqlStore(f"sqlite:///{tmp_path}/x.db")
    yield store
    store.close()
