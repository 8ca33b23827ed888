"""When an end is told: the shipper alone, so that no test has to wait as long as it does."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.agent.folders import Root
from dispatcher.agent.shipping.shipper import DEFAULT_LOG_LIMIT, Shipper
from dispatcher.agent.shipping.streams import Files
from dispatcher.agent.shipping.telemetry_source import TelemetrySource
from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import job
from tests.rigs.waiting import until

SAID = b"x" * 3_000_000  # more than one request takes of a log
SPOOL = "/api/v1/spool"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def finish(
    tmp_path: Path, service: FakeService, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Shipper]]:
    """Has a job end that has said something; nobody is waited for who does not get on."""
    monkeypatch.setattr("dispatcher.agent.shipping.shipper.PUBLISH_AFTER", 0.0)
    root = Root(str(tmp_path))
    root.prepare()
    shipper = Shipper(TelemetrySource(root), told.append, lambda _: None)
    shipper.configure(service.address, DEFAULT_LOG_LIMIT)
    shipper.start()

    def ends() -> Shipper:
        folder = Path(root.job("said-1"))
        folder.mkdir()
        (folder / "std_log.txt").write_bytes(SAID)
        shipper.finish("said-1", job("said-1"))
        return shipper

    yield ends
    service.answers.set()
    shipper.close()


def test_an_end_waits_for_a_service_that_is_taking_what_was_said(
    finish: Callable[[], Shipper], service: FakeService, told: list[str]
) -> None:
    service.answers.clear()
    shipper = finish()
    until(lambda: service.requests[SPOOL], "it is asked")
    shipper.publish_overdue()
    assert told == []
    service.answers.set()
    until(lambda: told == ["said-1"], "the end is told")
    assert service.log("said") == SAID


def test_an_end_does_not_wait_for_a_service_that_is_away(
    finish: Callable[[], Shipper], service: FakeService, told: list[str]
) -> None:
    service.is_away = True
    finish()
    until(lambda: told == ["said-1"], "the end is told")
    assert service.log("said") == b""
    service.is_away = False
    until(lambda: service.log("said") == SAID, "it is shipped later")
    assert told == ["said-1"]


def test_a_stream_that_cannot_be_read_for_a_moment_is_not_taken_for_one_without_content(
    finish: Callable[[], Shipper],
    service: FakeService,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails = True

    def size(files: Files, path: str) -> int:
        if fails:
            raise OSError(errno.EMFILE, "too many open files")
        return os.stat(path).st_size

    monkeypatch.setattr(Files, "size", size)
    shipper = finish()
    assert shipper.has_pending("said-1")
    assert service.log("said") == b""
    fails = False
    until(lambda: service.log("said") == SAID, "it is shipped")
    until(lambda: told == ["said-1"], "the end is told")
