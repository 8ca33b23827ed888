"""A database that fails over to a standby that lagged: what that had not heard of goes on, is told
of, and is not started again.
"""

from pathlib import Path

import pytest

from tests.chaos.effects import Effects
from tests.chaos.racing import Track
from tests.rigs.postgres import Postgres
from tests.rigs.service import Service
from tests.rigs.standby import Standby
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_what_the_standby_had_not_heard_of_is_told_of_and_not_started_again(
    tmp_path: Path,
) -> None:
    primary = Postgres()
    url = primary.url()
    standby = Standby(primary)
    service = Service(tmp_path / "s", standby.either(url))
    try:
        service.start()
        service.attach("local", kind="local", cpus=4)
        track = Track(service, Effects(tmp_path / "effects"), tmp_path)
        gate = tmp_path / "gate"
        wait = f'while [ ! -e "{gate}" ]; do sleep 0.05; done; note end'
        service.submit(track.spec("known", wait))
        until(lambda: service.view("known")["status"] == "Running", "it runs", 60)
        standby.catch_up()
        standby.cut_off()
        service.submit(track.spec("lost", wait))
        until(lambda: service.view("lost")["status"] == "Running", "it runs", 60)

        primary.crash()
        standby.promote()
        until(lambda: _orphans(service) == {"lost-1": "alive"}, "it is told of", 60)
        assert service.find_run("lost") is None
        assert service.view("known")["status"] == "Running"

        service.submit(track.spec("lost", wait))  # as by a client that repeats its call
        until(lambda: service.view("lost")["status"] == "Running", "it is found again", 60)
        assert _orphans(service) == {}
        gate.touch()
        ids = ["known", "lost"]
        until(lambda: set(service.wait(ids, 5).values()) == {"Completed"}, "both complete", 60)
        assert track.effects.starts(ids) == {("known", 1): 1, ("lost", 1): 1}
    finally:
        service.close()
        standby.stop()
        primary.stop()


def _orphans(service: Service) -> dict[str, str]:
    found: dict[str, str] = service.transport.post("/targets/local/ping", {})["orphan_jobs"]
    return found
