"""A database that is put back to an earlier state, and one whose files are damaged: what has run is
not run again, and what is lost is not lost in silence.
"""

import shutil
from pathlib import Path

import pytest

from tests.chaos.effects import Effects
from tests.chaos.racing import Track
from tests.rigs.service import Service
from tests.rigs.waiting import until

pytestmark = pytest.mark.timeout(300)


def _files(service: Service) -> list[Path]:
    return list(service.data.glob("dispatcher.db*"))


def test_what_has_run_since_a_backup_is_not_run_again(tmp_path: Path) -> None:
    service = Service(tmp_path / "s")
    gate, last_gate, backup = tmp_path / "gate", tmp_path / "last", tmp_path / "backup"
    backup.mkdir()
    try:
        service.start()
        service.attach("local", kind="local", cpus=1)
        track = Track(service, Effects(tmp_path / "effects"), tmp_path)
        wait, wait_last = (
            f'while [ ! -e "{path}" ]; do sleep 0.05; done; note end' for path in (gate, last_gate)
        )
        service.submit(track.spec("first", wait), track.spec("over", "note end"))
        service.submit(track.spec("lasts", wait_last))
        until(lambda: service.view("first")["status"] == "Running", "the first runs")
        service.kill()
        for file in _files(service):
            shutil.copy(file, backup)

        service.start()
        gate.touch()
        until(lambda: track.effects.has("lasts", "start"), "the last one runs", 60)
        jobs = service.data / "nodes" / "local" / "jobs"
        until(lambda: not (jobs / "over-1").exists(), "what is over is removed", 60)
        service.kill()
        for file in _files(service):
            file.unlink()
        for file in backup.iterdir():
            shutil.copy(file, service.data)
        service.start()
        until(lambda: service.view("lasts")["status"] == "Running", "it is found again")
        last_gate.touch()

        ids = ["first", "over", "lasts"]
        ended = {"Completed", "Failed"}
        until(lambda: set(service.wait(ids, 5).values()) <= ended, "all have ended", 60)
        assert track.effects.starts(ids) == {(run_id, 1): 1 for run_id in ids}
        assert service.view("lasts")["status"] == "Completed"
        error = service.view("over")["error"]["error"]
        assert error["code"] == "RecordRemoved"
        assert "its job's record was removed since" in error["message"]
    finally:
        service.close()
