"""A disk without room: 507 that names the folder, nothing that was acknowledged is lost, what runs
goes on, and when there is room again all goes on by itself.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from dispatcher.client.errors import ServiceException
from dispatcher.core.errors import StorageFull
from dispatcher.store.content.blobs import Blobs, Logs
from dispatcher.store.content.incoming import Incoming
from dispatcher.store.content.uploads import Uploads
from dispatcher.store.sql import SqlStore
from dispatcher.wire.encoding import frames
from tests.rigs.disk import Disk, small_disk
from tests.rigs.service import Service
from tests.rigs.waiting import until

DATA = os.urandom(1 << 20)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "small", 4) as made:
        yield made


def full(disk: Disk, act: Callable[[], object], names: Path) -> None:
    """It is refused while there is no room, with the folder's name, and done afterwards."""
    before = sorted(path for path in disk.folder.rglob("*") if path.is_file())
    disk.fill()
    with pytest.raises(StorageFull, match=f"no space left for {names}: "):
        act()
    disk.free()
    left = [path for path in disk.folder.rglob("*") if path.is_file() and path not in before]
    assert [path for path in left if path.name.endswith(".new")] == []
    act()


def test_a_content_that_has_no_room_is_refused_and_leaves_nothing(disk: Disk) -> None:
    blobs = Blobs(str(disk.folder / "blobs"))

    full(disk, lambda: blobs.put(DIGEST, DATA), names=disk.folder / "blobs")

    assert blobs.read(DIGEST) == DATA


def test_a_part_that_has_no_room_is_refused_and_what_is_held_is_kept(disk: Disk) -> None:
    half = len(DATA) // 2
    uploads = Uploads(Blobs(str(disk.folder / "blobs")), disk.folder / "uploads")
    uploads.take("me", DIGEST, len(DATA), 0, DATA[:half])

    def rest() -> None:
        held = uploads.take("me", DIGEST, len(DATA), 0, b"")
        assert half <= held < len(DATA)
        assert uploads.take("me", DIGEST, len(DATA), held, DATA[held:]) == len(DATA)

    full(disk, rest, names=disk.folder / "uploads")


def test_a_stream_that_has_no_room_is_refused_and_leaves_nothing(disk: Disk) -> None:
    blobs = Blobs(str(disk.folder / "blobs"))
    (disk.folder / "uploads").mkdir()

    def stream() -> None:
        with Incoming(blobs, disk.folder / "uploads") as incoming:
            incoming.write(DATA)
            assert incoming.adopt() == DIGEST

    full(disk, stream, names=disk.folder / "uploads")

    assert list((disk.folder / "uploads").iterdir()) == []


def test_a_log_that_has_no_room_is_refused_whole(disk: Disk) -> None:
    logs = Logs(disk.folder / "logs")

    full(disk, lambda: logs.write("r", 1, "l", 0, DATA), names=disk.folder / "logs")

    assert logs.read("r", 1, "l", 0, 2 << 20) == DATA


def test_a_database_that_has_no_room_refuses_and_keeps_what_it_has(disk: Disk) -> None:
    url = make_url(f"sqlite:///{disk.folder}/dispatcher.db").render_as_string()
    store = SqlStore(url)

    def remember(key: str, size: int) -> None:
        store.write(lambda tx: tx.registry.put_meta(key, "x" * size))

    remember("before", 10)
    full(disk, lambda: remember("during", 1 << 18), names=disk.folder)

    def recall(key: str) -> str:
        return store.read(lambda tx: tx.registry.meta(key, "nothing"))

    assert recall("before") == "x" * 10
    assert recall("during") == "x" * (1 << 18)
    store.close()


def test_a_service_without_room_says_507_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 24) as disk:
        service = Service(disk.folder / "s")
        service.log_path = tmp_path / "service.log"
        try:
            _fill_and_free(service, disk, tmp_path / "over")
        finally:
            service.close()


def _fill_and_free(service: Service, disk: Disk, over: Path) -> None:
    service.start()
    service.attach("local", kind="local", cpus=4)
    wait = f'while [ ! -e "{over}" ]; do sleep 0.05; done'
    service.submit({"id": "steady", "command": wait, "target": "local"})
    until(lambda: service.view("steady")["status"] == "Running", "it runs")

    disk.fill()
    for call in (
        lambda: service.submit({"id": "late", "command": "true", "target": "local"}),
        lambda: service.transport.post_frames("/blobs", frames([({"sha256": DIGEST}, DATA)])),
    ):
        with pytest.raises(ServiceException, match=r"no space left for .*/data") as refused:
            call()
        assert (refused.value.status_code, refused.value.error_type) == (507, "StorageFull")
    assert service.view("steady")["status"] == "Running"

    disk.free()
    service.submit({"id": "late", "command": "true", "target": "local"})
    over.touch()
    done = {"steady": "Completed", "late": "Completed"}
    until(lambda: service.wait(["steady", "late"], 5) == done, "both have completed")
