"""The power is cut in the middle of a fan-out: whatever the service had said is still so when it is
started on what the disk has left, and no attempt starts twice.
"""

import os
import random
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.errors import ServerUnreachable, ServiceException
from tests.chaos.effects import Effects
from tests.chaos.injection import PATCHES
from tests.chaos.racing import Track
from tests.chaos.scenario import ENDED
from tests.rigs.disk import CutDisk, cut_disk
from tests.rigs.service import Service
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LOG, OUTPUT = "user_logs/std_log.txt", "outputs/said.txt"
SPEAK = """
from azureml.core import Run
run = Run.get_context()
for k in range(20):
    run.log("k", k)
    print("line", k, flush=True)
open("outputs/said.txt", "w").write(run.id * 50)
"""
FEW, MOST_OPEN = 3, 12
MOST = 30  # runs that have ended when the power is cut


@dataclass
class Said:
    """What the service has said of a run."""

    status: str = "Queued"
    log: bytes = b""
    points: list[Any] = field(default_factory=list)
    output: bytes = b""

    def is_still_so(self, now: "Said") -> bool:
        """Whether nothing of it is taken back."""
        if self.status in ENDED:
            return self == now
        return (
            now.log[: len(self.log)] == self.log and now.points[: len(self.points)] == self.points
        )


class Listener:
    """Submits a few runs at a time, and reads and remembers all there is to read of each."""

    def __init__(self, track: Track) -> None:
        self.said: dict[str, Said] = {}
        self._track = track
        self._once = track.service.client(patience=0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    @property
    def ended(self) -> int:
        """Of how many runs it has heard the end."""
        return sum(said.status in ENDED for said in list(self.said.values()))

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _listen(self) -> None:
        with suppress(ServerUnreachable):  # the power is cut
            while not self._over.is_set():
                going = [run for run, said in self.said.items() if said.status not in ENDED]
                if len(going) < MOST_OPEN:
                    self._submit()
                for run_id in going:
                    self.said[run_id] = read(self._once, run_id)

    def _submit(self) -> None:
        ids = [f"cut{len(self.said) + k}" for k in range(FEW)]
        command = f"'{sys.executable}' -c '{SPEAK}'; note end"
        specs = [{"experiment": "cut", **self._track.spec(run_id, command)} for run_id in ids]
        self._once.post("/runs", {"runs": specs, "brief": True})
        self.said.update((run_id, Said()) for run_id in ids)


def read(service: ApiConnection, run_id: str) -> Said:
    """All that the service says of a run; the status first, for then the rest is complete."""
    status = service.get(f"/runs/{run_id}")["status"]
    points = service.get(f"/runs/{run_id}/metrics", [("name", "k")])["runs"].get(run_id, [])
    return Said(
        status,
        _bytes(service, f"/runs/{run_id}/logs/{LOG}", [("attempt", 1)]),
        [point["v"] for point in points],
        _bytes(service, f"/runs/{run_id}/artifacts/{OUTPUT}", []),
    )


def _bytes(service: ApiConnection, path: str, query: list[tuple[str, int]]) -> bytes:
    try:
        return service.send("GET", path, query).body
    except ServiceException as error:
        if error.status_code == 404:
            return b""
        raise


def cut_and_start_again(service: Service, disk: CutDisk) -> None:
    """All stops at one moment; what the disk has by then is what there is afterwards."""
    stopped = set[int]()
    while new := {process.pid for process in service.members()} - stopped:
        for pid in new:  # one that was not stopped yet may have started another
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= new
    left = disk.copy()
    service.close()
    disk.put_back(left)
    service.start()


def taken_back(track: Track, before: dict[str, Said]) -> list[str]:
    """What is not so any more. Runs whose attempt was lost with the power have another one."""
    service = track.service
    until(lambda: set(service.wait(list(before), 5).values()) <= ENDED, "all have ended", 120)
    found = []
    for run_id, said in before.items():
        now = read(service.transport, run_id)
        again = service.view(run_id)["attempt"] > 1 and said.status not in ENDED
        if again:
            said.points = []  # those of the attempt before; its log is there by its number
        if not said.is_still_so(now):
            found.append(f"{run_id}: {said} became {now}")
    twice = [key for key, times in track.effects.starts(before).items() if times > 1]
    return [*found, *(f"{key} started twice" for key in twice)]


def cut_once(folder: Path, seed: int, patches: Path | None = None) -> tuple[int, list[str]]:
    """One life with one cut: of how many runs it had told the end, and what was taken back."""
    chance = random.Random(seed)
    with cut_disk(folder / "disk") as disk:
        service = Service(disk.folder / "s", patches=patches)
        service.log_path = folder / "service.log"
        try:
            service.start()
            service.attach("local", kind="local", cpus=3)
            track = Track(service, Effects(folder / "effects"), folder)
            listener = Listener(track)
            enough = chance.randint(FEW, MOST)
            until(lambda: listener.ended >= enough, f"{enough} have ended", 60)
            cut_and_start_again(service, disk)
            listener.stop()
            return listener.ended, taken_back(track, listener.said)
        finally:
            service.close()


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_was_said_is_taken_back_by_a_power_cut(seed: int, tmp_path: Path) -> None:
    ended, found = cut_once(tmp_path, seed)

    print(f"\nseed {seed}: {ended} ended before the cut")
    assert not found, found


def test_a_service_that_does_not_sync_its_logs_is_found_out(tmp_path: Path) -> None:
    _, found = cut_once(tmp_path, 0, PATCHES / "unsynced")

    assert found
