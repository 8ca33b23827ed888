"""What comes from elsewhere as an archive or a file's name does not leave the folder it goes to."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from dispatcher.client.errors import SnapshotException, UserErrorException
from dispatcher.client.v1.runs.files import path_below
from dispatcher.client.v1.runs.snapshot import _write_zip


def archive(*members: tarfile.TarInfo, data: bytes = b"x") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for member in members:
            member.size = len(data) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def of_type(name: str, kind: bytes) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    made.linkname = "/etc/passwd"
    return made


HOSTILE = [
    tarfile.TarInfo("../out"),
    tarfile.TarInfo("a/../../out"),
    tarfile.TarInfo("/etc/out"),
    tarfile.TarInfo("C:\\out"),
    tarfile.TarInfo("..\\out"),
    of_type("link", tarfile.SYMTYPE),
    of_type("hard", tarfile.LNKTYPE),
    of_type("pipe", tarfile.FIFOTYPE),
    of_type("device", tarfile.CHRTYPE),
]


@pytest.mark.parametrize("member", HOSTILE, ids=lambda member: member.name)
def test_a_hostile_member_is_refused_and_nothing_is_left(
    tmp_path: Path, member: tarfile.TarInfo
) -> None:
    with pytest.raises(SnapshotException, match="The snapshot holds"):
        _write_zip(io.BytesIO(archive(tarfile.TarInfo("fine"), member)), str(tmp_path / "s.zip"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"no archive", b"", archive(tarfile.TarInfo("a"))[:300]])
def test_a_damaged_archive_is_refused_and_nothing_is_left(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SnapshotException, match="The snapshot came damaged"):
        _write_zip(io.BytesIO(data), str(tmp_path / "s.zip"))

    assert list(tmp_path.iterdir()) == []


def test_a_good_one_is_a_zip(tmp_path: Path) -> None:
    _write_zip(io.BytesIO(archive(tarfile.TarInfo("a/b.txt"))), str(tmp_path / "s.zip"))

    assert zipfile.ZipFile(tmp_path / "s.zip").read("a/b.txt") == b"x"


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/../b", "C:x", ".", "", "a/."])
def test_a_file_of_a_hostile_name_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserErrorException, match="not a name that a file below a folder can have"):
        path_below(str(tmp_path), name)
