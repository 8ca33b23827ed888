"""What runs say to those above them is kept the same by memory, SQLite and PostgreSQL."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.services.tracking import Chunk, TrackingService
from dispatcher.store.content.blobs import Logs
from dispatcher.store.contract import Store
from dispatcher.store.memory import MemoryStore
from dispatcher.store.runs.testing import add, make
from dispatcher.store.sql import SqlStore


class AddressingContract:
    @pytest.fixture
    def tracking(self, store: Store, tmp_path: Path) -> TrackingService:
        [top] = add(store, make("top"))
        [mid] = add(store, make("mid", top))
        add(store, make("other"), *(make(f"leaf{k}", mid) for k in range(20)))
        return TrackingService(store, Logs(tmp_path / "logs"))

    def test_points_and_labels_reach_those_above_once_whoever_sends_at_the_same_time(
        self, store: Store, tracking: TrackingService
    ) -> None:
        def send(number: int) -> None:
            held = b""
            for k in range(50):
                value = number * 50 + k
                held += line("m", "scalar", value, "top") + line("last", "tag", str(value), "top")
                held += line(f"own{number}", "tag", str(k), "mid") + line("m", "scalar", 1, "other")
                held += line("first", "property", str(value), "top")
                if k % 10 == 9:  # all of it once more, as after a lost answer
                    tracking.take([Chunk(f"leaf{number}", 1, "metrics", 0, held)], SERVICE_GRANT)

        threads = [threading.Thread(target=send, args=(k,)) for k in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        points = store.read(lambda tx: tx.metrics.points(["top", "mid", "other", "leaf0"]))
        logged = [point.value for point in points["top"]]
        assert sorted(logged) == list(range(1000))
        for number in range(20):
            own = [value for value in logged if value // 50 == number]
            assert own == sorted(own)
        assert set(points) == {"top"}
        tags = store.read(lambda tx: tx.labels.tags(["top", "mid"]))
        assert int(tags["top"]["last"] or 0) % 50 == 49
        assert tags["mid"] == {f"own{k}": "49" for k in range(20)}
        properties = store.read(lambda tx: tx.labels.properties(["top"]))["top"]
        assert int(properties["first"] or 0) % 50 == 0

    def test_points_count_for_the_attempt_that_the_one_above_is_at(
        self, store: Store, tracking: TrackingService
    ) -> None:
        tracking.take(
            [Chunk("leaf0", 7, "metrics", 0, line("m", "scalar", 1, "top"))], SERVICE_GRANT
        )
        [point] = store.read(lambda tx: tx.metrics.points(["top"]))["top"]
        assert point.attempt == 1

    def test_who_listens_is_told_of_the_run_that_has_the_points(
        self, tracking: TrackingService
    ) -> None:
        heard: list[set[str]] = []
        tracking.on_metrics(heard.append)
        data = line("m", "scalar", 1, "top") + line("m", "scalar", 1, "leaf0")
        tracking.take([Chunk("leaf0", 1, "metrics", 0, data)], SERVICE_GRANT)
        assert heard == [{"top", "leaf0"}]


def line(name: str, kind: str, value: Any, to: str) -> bytes:
    return json.dumps({"n": name, "k": kind, "v": value, "to": to}).encode() + b"\n"


class TestMemory(AddressingContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSqlite(AddressingContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        store = SqlStore(f"sqlite:///{tmp_path}/x.db")
        yield store
        store.close()


class TestPostgresql(AddressingContract):
    @pytest.fixture
    def store(self, postgres: Any) -> Iterator[SqlStore]:
        store = SqlStore(postgres.url())
        yield store
        store.close()
