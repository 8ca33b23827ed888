"""The upload of contents: in bounded parts, resumed where it broke off, checked by hash."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.wire.address import Address
from dispatcher.wire.connection import ServiceConnection
from dispatcher.wire.errors import ContentUnreadable, RequestRefused, ServiceUnavailable
from dispatcher.wire.uploads import PART_BYTES, FileContent, upload
from tests.unit.fake_server import serving
from tests.unit.fake_service import TOKEN, FakeService


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def connection(fake: FakeService) -> ServiceConnection:
    return ServiceConnection(Address(fake.url, token=TOKEN))


def send(fake: FakeService, connection: ServiceConnection, *files: FileContent) -> None:
    contents = {file.sha256: file for file in files}
    upload(connection, contents, lambda: sorted(contents.keys() - fake.blobs.keys()))


def file_of(path: Path, content: bytes) -> FileContent:
    path.write_bytes(content)
    return FileContent.of(os.fspath(path))


def test_an_interrupted_upload_continues_with_what_is_not_held(
    fake: FakeService, connection: ServiceConnection, tmp_path: Path
) -> None:
    content = os.urandom(3 * PART_BYTES)
    file = file_of(tmp_path / "f", content)
    fake.parts[file.sha256] = content[: 2 * PART_BYTES]

    send(fake, connection, file)

    assert fake.blobs[file.sha256] == content
    assert fake.count("PUT", "/blobs/") == 2  # the question, and the last part


def test_a_service_that_goes_away_in_the_middle_is_unavailable_and_nothing_is_sent_twice(
    fake: FakeService, connection: ServiceConnection, tmp_path: Path
) -> None:
    content = os.urandom(2 * PART_BYTES)
    file = file_of(tmp_path / "f", content)

    def lose_the_service() -> None:
        if fake.parts.get(file.sha256):
            fake.failures = [503]

    contents = {file.sha256: file}
    with pytest.raises(ServiceUnavailable, match="503"):
        upload(connection, contents, lambda: [file.sha256], before_request=lose_the_service)
    held = len(fake.parts[file.sha256])
    fake.failures = []
    send(fake, connection, file)

    assert 0 < held < len(content)
    assert fake.blobs[file.sha256] == content


@pytest.mark.parametrize("size", [1000, 2 << 20])
def test_a_file_that_changes_is_named_and_not_stored_under_its_old_hash(
    fake: FakeService, connection: ServiceConnection, tmp_path: Path, size: int
) -> None:
    file = file_of(tmp_path / "f", b"a" * size)
    (tmp_path / "f").write_bytes(b"b" * size)

    with pytest.raises((ContentUnreadable, RequestRefused)):
        send(fake, connection, file)
    assert file.sha256 not in fake.blobs


def test_a_file_that_became_shorter_or_is_gone_is_named(
    fake: FakeService, connection: ServiceConnection, tmp_path: Path
) -> None:
    file = file_of(tmp_path / "f", b"a" * (2 << 20))
    (tmp_path / "f").write_bytes(b"a" * 10)
    with pytest.raises(ContentUnreadable, match="shorter") as shorter:
        send(fake, connection, file)
    assert shorter.value.path == os.fspath(tmp_path / "f")

    (tmp_path / "f").unlink()
    with pytest.raises(ContentUnreadable, match="No such file"):
        send(fake, connection, file)


def test_contents_of_no_bytes_are_sent(
    fake: FakeService, connection: ServiceConnection, tmp_path: Path
) -> None:
    file = file_of(tmp_path / "f", b"")
    send(fake, connection, file)

    assert fake.blobs == {hashlib.sha256(b"").hexdigest(): b""}


def test_an_upload_that_the_service_never_registers_ends(
    fake: FakeService, connection: ServiceConnection, tmp_path: Path
) -> None:
    file = file_of(tmp_path / "f", b"text")
    with pytest.raises(ContentUnreadable, match="changes"):
        upload(connection, {file.sha256: file}, lambda: [file.sha256])
    assert len(fake.calls) <= 5
