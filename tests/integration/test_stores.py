"""Memory, SQLite and PostgreSQL keep the same contract."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from dispatcher.core.errors import StoreUnavailable
from dispatcher.store.memory import MemoryStore
from dispatcher.store.runs.testing import add, ids, make
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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/x.db"
    return str(request.getfixturevalue("postgres").url())


def test_an_error_that_is_not_the_drivers_fails_its_commit_and_the_writer_goes_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlStore(url)
    with monkeypatch.context() as patch:
        patch.setattr("dispatcher.store.writer.record", _out_of_memory)
        with pytest.raises(StoreUnavailable, match="MemoryError"):
            add(store, make("a"))
    add(store, make("b"))
    assert list(store.read(lambda tx: tx.runs.get(["a", "b"]))) == ["b"]
    store.check()
    store.close()


def test_a_store_whose_writer_has_ended_refuses_writes_and_says_so(url: str) -> None:
    store = SqlStore(url)
    store._writer._pieces.put(None)
    store._writer._thread.join()
    with pytest.raises(StoreUnavailable, match="writer has ended"):
        add(store, make("a"))
    with pytest.raises(StoreUnavailable, match="writer has ended"):
        store.check()
    store.close()


def test_a_run_that_cannot_be_read_is_left_out_and_named(url: str) -> None:
    store = SqlStore(url)
    add(store, make("bad"), make("good"))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET state = '{' WHERE id = 'bad'"))
    engine.dispose()
    queue, unreadable = store.read(
        lambda tx: (tx.runs.queue("local", 10), dict(tx.runs.unreadable))
    )
    assert ids(queue) == ["good"]
    assert list(unreadable) == ["bad"]
    store.close()


def test_two_services_on_one_database_are_told_of_each_others_commits_once_in_order(
    postgres: Any,
) -> None:
    url = postgres.url()
    stores = [SqlStore(url), SqlStore(url)]
    logs: list[list[int]] = [[], []]
    for store, log in zip(stores, logs, strict=True):
        store.subscribe(lambda commit, log=log: log.extend(e.id for e in commit.events))  # type: ignore[misc]

    def work(k: int) -> None:
        for n in range(20):
            add(stores[k % 2], make(f"r{k}-{n}"))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 10
    while min(map(len, logs)) < 120 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert logs == [list(range(1, 121))] * 2
    for store in stores:
        store.close()


def _out_of_memory(*_args: Any, **_named: Any) -> None:
    raise MemoryError("no memory for the events")
