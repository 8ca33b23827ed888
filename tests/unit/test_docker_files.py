"""Files that a container may write to: nothing that it puts there leads anybody astray."""

import os
import socket
import stat
from pathlib import Path

import pytest

from targets.docker.guarded_files import (
    GuardedFiles,
    delete_below,
    is_below,
    names_below,
    open_below,
    read_below,
    socket_below,
    write_below,
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("secret")
    return folder


@pytest.fixture
def inside(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "inside"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("own")
    (folder / "link").symlink_to(outside)
    (folder / "file-link").symlink_to(outside / "file")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize("parts", [("link", "file"), ("file-link",), ("pipe",), ("sub",), ("no",)])
def test_only_a_regular_file_in_the_folder_is_read(inside: Path, parts: tuple[str, ...]) -> None:
    assert read_below(inside, "sub", "file") == b"own"
    with pytest.raises(OSError, match=r".+"):
        read_below(inside, *parts)
    with pytest.raises(OSError, match=r".+"):
        GuardedFiles(inside).size(str(inside.joinpath(*parts)))


def test_a_shipper_may_open_a_file_to_write(inside: Path) -> None:
    path = str(inside / "sub" / "file")
    assert GuardedFiles(inside).size(path) == 3
    os.close(GuardedFiles(inside).open(path, os.O_RDWR))


def test_a_written_file_can_be_read_by_a_containers_user_whatever_the_umask(inside: Path) -> None:
    before = os.umask(0o077)
    try:
        write_below(inside, "sub", "stop", text="{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((inside / "sub" / "stop").stat().st_mode) == 0o644


def test_deleting_does_not_follow_a_link(inside: Path, outside: Path) -> None:
    delete_below(inside, "link", "file")
    delete_below(inside, "link")
    delete_below(inside, "sub")

    assert (outside / "file").read_text() == "secret"
    assert not is_below(inside, "sub")
    assert names_below(inside, "link") == []
    assert names_below(inside, "sub") == []


def test_only_a_socket_in_the_folder_is_connected_to(inside: Path, outside: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(outside / "s"))
    listener.listen()
    (inside / "s").symlink_to(outside / "s")

    for parts in (("s",), ("link", "s"), ("sub", "file"), ("no",)):
        with pytest.raises(OSError, match=r".+"):
            socket_below(inside, *parts)
    socket_below(outside, "s").close()
    listener.close()


def test_a_long_path_to_a_socket_is_no_matter(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 6)
    deep.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    folder = os.open(deep, os.O_PATH)
    listener.bind(f"/proc/self/fd/{folder}/s")
    listener.listen()

    socket_below(deep, "s").close()

    listener.close()
    os.close(folder)


def test_an_open_file_is_closed_when_it_is_not_a_file(inside: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError, match="not a regular file"):
            open_below(inside, "pipe")

    assert len(os.listdir("/proc/self/fd")) == before
