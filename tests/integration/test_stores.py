"""Memory, SQLite and PostgreSQL keep the same contract."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.store.memory import MemoryStore
from dispatcher.store.sql import SqlStore
from dispatcher.store.testing import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSqlite(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        store = SqlStore(f"sqlite:///{tmp_path}/x.db")
        yield store
        store.close()


class TestPostgresql(StoreContract):
    @pytest.fixture
    def store(self, postgres: Any, request: pytest.FixtureRequest) -> Iterator[SqlStore]:
        store = SqlStore(postgres.url())
        yield store
        store.close()
