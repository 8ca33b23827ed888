"""Two services on one data folder, or on one database, by mistake or to be safe."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from dispatcher.engine.leadership import LEASE_SECONDS
from dispatcher.server import data_folder
from tests.chaos.effects import Effects
from tests.chaos.racing import Track
from tests.rigs.postgres import Postgres
from tests.rigs.service import COMMAND, Service
from tests.rigs.waiting import until

Make = Callable[..., Service]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Starts services, each in a folder of its own."""
    with ExitStack() as stack:

        def start(name: str, url: str, **environment: str) -> Service:
            service = Service(tmp_path / name, url, environment=environment)
            stack.callback(_end, service)
            service.start()
            return service

        yield start


def _end(service: Service) -> None:
    with suppress(ProcessLookupError):
        os.kill(service.pid, signal.SIGCONT)
    service.close()


def _refused(data: Path, url: str = "") -> str:
    """What a further service says that must not start."""
    made = subprocess.run(
        [sys.executable, *COMMAND, str(data)],
        env={**os.environ, "DISPATCHER_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 2, made.stderr
    return made.stderr


def test_a_second_service_on_a_folder_is_refused_and_the_first_goes_on(make: Make) -> None:
    service = make("one", "")

    assert f"a service is already running on {service.data}" in _refused(service.data)

    assert service.is_healthy()


def test_who_only_looks_whether_a_service_lives_keeps_none_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "LOCK_SECONDS", 30.0)
    path = tmp_path / "service.lock"
    with path.open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        over = threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN))
        over.start()
        os.close(data_folder.lock_file(path))
        over.join()


def test_a_second_service_on_a_database_file_is_refused(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "shared" / "runs.db"
    make("one", f"sqlite:///{file}")

    assert f"a service is already running on {file}" in _refused(
        tmp_path / "two", f"sqlite:///{file}"
    )


def test_a_service_that_was_paused_finds_its_jobs_as_it_left_them(
    make: Make, tmp_path: Path, postgres: Postgres
) -> None:
    """Another one on the database answers meanwhile, and takes nothing for lost."""
    url = postgres.url()
    first = make("first", url)
    first.attach("local", kind="local", cpus=2)
    track = Track(first, Effects(tmp_path / "effects"), tmp_path)
    first.submit(*(track.spec(f"r{k}", "sleep 1; note end") for k in range(6)))
    until(lambda: len(track.effects.read()) >= 2, "two have started")
    second = make("second", url)

    os.kill(first.pid, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 2)  # the length of the fault itself
    assert {second.view(f"r{k}")["attempt"] for k in range(6)} == {1}
    second.submit(track.spec("late", "note end"))
    os.kill(first.pid, signal.SIGCONT)

    ids = ["late", *(f"r{k}" for k in range(6))]
    until(lambda: set(second.wait(ids, 5).values()) == {"Completed"}, "all have completed")
    assert track.effects.starts(ids) == {(run_id, 1): 1 for run_id in ids}
    assert "this service does not drive runs: the jobs of cpu, local are with" in second.log()


@pytest.mark.slow
def test_a_service_that_is_gone_for_good_is_taken_over_when_that_is_said(
    make: Make, tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.url()
    first = make("first", url)
    first.attach("local", kind="local", cpus=2)
    track = Track(first, Effects(tmp_path / "effects"), tmp_path)
    first.submit(track.spec("lost", "sleep 300"), track.spec("queued", "note end", cpus=2))
    until(lambda: first.view("lost")["status"] == "Running", "it runs")
    _end(first)  # the machine with all that was on it

    second = make("second", url, DISPATCHER_TAKE_OVER="1")
    until(lambda: second.view("lost")["attempt"] == 2, "it is lost and tried again", 30)
    second.cancel("lost")

    ended = {"lost": "Canceled", "queued": "Completed"}
    until(lambda: second.wait(["lost", "queued"], 5) == ended, "both have ended")
