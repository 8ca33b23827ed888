"""Sockets lie in folders that no other user can make first, and clients check who listens."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.client.api import service
from dispatcher.client.errors import ServerUnreachable
from dispatcher.server.run import serve
from dispatcher.server.settings import Settings
from dispatcher.wire.address import Address
from dispatcher.wire.sockets import UnsafeFolder, check_peer, check_private, make_private

NOBODY = 12399  # a user of no process


def data_settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def test_the_name_of_a_socket_folder_cannot_be_foreseen_and_is_kept(tmp_path: Path) -> None:
    first, other = Settings(data_dir=tmp_path / "a"), Settings(data_dir=tmp_path / "b")
    assert first.socket_dir == first.socket_dir == Settings(data_dir=tmp_path / "a").socket_dir
    assert first.socket_dir != other.socket_dir
    assert stat.S_IMODE(first.socket_dir.stat().st_mode) == 0o700
    folder = first.socket_dir
    os.rmdir(other.socket_dir)
    os.rmdir(folder)
    assert first.socket_dir == folder  # made again where agents and runs look for it
    check_private(str(folder))
    os.rmdir(folder)


def test_a_folder_that_another_user_made_first_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = data_settings(tmp_path)
    folder = settings.socket_dir
    folder.chmod(0o755)
    again = data_settings(tmp_path).socket_dir
    assert again != folder
    check_private(str(again))
    os.rmdir(folder)
    os.rmdir(again)


def test_a_copied_data_folder_gets_sockets_of_its_own(tmp_path: Path) -> None:
    settings = data_settings(tmp_path)
    folder = settings.socket_dir
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "sockets.json").write_bytes((settings.data_dir / "sockets.json").read_bytes())
    other = Settings(data_dir=copy).socket_dir
    assert other != folder
    os.rmdir(folder)
    os.rmdir(other)


def test_a_moved_data_folder_keeps_its_sockets_and_another_tmpdir_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data_settings(tmp_path).socket_dir
    other_tmp = tmp_path / "tmp"
    other_tmp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other_tmp))
    (tmp_path / "data").rename(tmp_path / "moved")
    assert Settings(data_dir=tmp_path / "moved").socket_dir == folder
    os.rmdir(folder)


def test_a_recorded_folder_that_somebody_else_has_taken_is_given_up(tmp_path: Path) -> None:
    folder = data_settings(tmp_path).socket_dir
    os.rmdir(folder)
    folder.symlink_to(tmp_path)  # as another user could, in a temporary directory
    again = data_settings(tmp_path).socket_dir
    assert again != folder
    folder.unlink()
    os.rmdir(again)


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_a_folder_is_private_only_if_it_is_a_real_one_that_no_other_user_may_enter(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "sockets"
    if kind == "open":
        path.mkdir()
        path.chmod(0o711)
    elif kind == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        path.symlink_to(tmp_path / "real")
    else:
        path.write_text("")
    with pytest.raises(UnsafeFolder):
        make_private(str(path))


def test_a_folder_of_another_user_is_not_private(tmp_path: Path) -> None:
    path = tmp_path / "sockets"
    make_private(str(path))
    with pytest.raises(UnsafeFolder, match=f"belongs to user {os.geteuid()}, not {NOBODY}"):
        check_private(str(path), NOBODY)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        made.listen()
        yield made


def test_nothing_is_sent_to_a_socket_on_which_another_user_listens(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = Address("http://127.0.0.1:1", str(tmp_path / "s"), "token", peer_uid=NOBODY)
    if os.geteuid() == 0:  # root may listen for anyone: let the peer be somebody else
        monkeypatch.setattr("dispatcher.wire.sockets._CREDENTIALS", _Credentials())
    with pytest.raises(UnsafeFolder, match="listens on the socket"):
        address.connect(5).write_request("GET", "/", None, {})
    received, _ = listener.accept()
    with received:
        received.settimeout(5)
        assert received.recv(1) == b""  # closed, without a byte


class _Credentials:
    size = 12

    def unpack(self, _data: bytes) -> tuple[int, int, int]:
        return (1, 54321, 54321)


def test_the_own_user_may_listen(tmp_path: Path, listener: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        check_peer(client, os.geteuid())


def test_a_service_on_this_machine_is_never_called_by_a_port_that_may_be_anothers(
    tmp_path: Path,
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        stranger.settimeout(0.2)
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        with pytest.raises(FileNotFoundError):
            Address(url, str(tmp_path / "gone"), "token").connect(5).write_request(
                "GET", "/", None, {}
            )
        with pytest.raises(TimeoutError):
            stranger.accept()


def test_a_client_refuses_a_service_whose_socket_folder_is_open_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    (folder / "service").mkdir(parents=True)
    (folder / "service" / "s").write_text("")
    folder.chmod(0o777)
    facts = f'{{"url": "http://127.0.0.1:1", "socket": "{folder}/service/s", "token": "t"}}'
    (tmp_path / "service.json").write_text(facts)
    with pytest.raises(ServerUnreachable, match="mode 777"):
        service.find(str(tmp_path))


def test_a_data_folder_that_was_open_to_others_is_closed_before_the_service_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "dispatcher.db").write_bytes(b"")
    (data / "dispatcher.db").chmod(0o644)
    modes: list[int] = []
    done = threading.Event()

    def listen(_settings: Settings) -> socket.socket:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in (data, data / "dispatcher.db"))
        done.set()
        raise InterruptedError

    monkeypatch.setattr("dispatcher.server.run.tcp", listen)
    before = os.umask(0o022)
    try:
        with pytest.raises(InterruptedError):
            serve(Settings(data_dir=data))
        (data / "new").write_text("")
        assert stat.S_IMODE((data / "new").stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert modes == [0o700, 0o600]
