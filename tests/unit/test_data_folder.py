"""Data folders that were copied by hard links, restored under a service, or used by two hosts."""

import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dispatcher.client.api import service_lock
from dispatcher.client.errors import ServerUnreachable
from dispatcher.core.errors import DispatcherError
from dispatcher.server.data_folder import DataFolder, Provenance, Whereabouts
from dispatcher.server.linked_copy import separate_files
from dispatcher.server.run import serve
from dispatcher.server.settings import Settings
from dispatcher.wire.process_identity import ProcessIdentity, start_ticks


@contextmanager
def locked(path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(path)
    try:
        yield folder
    finally:
        folder.close()


def make_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (x TEXT)")
    return connection


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT x FROM t")]


def copy_by_hard_links(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=os.link)


def test_git_adds_nothing_of_a_data_folder(tmp_path: Path) -> None:
    with locked(tmp_path / ".dispatcher"):
        (tmp_path / "train.py").write_text("")
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        git = ["git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"]
        listed = subprocess.run(git, check=True, capture_output=True, text=True).stdout

    assert listed.split() == ["??", "train.py"]


def test_a_copy_by_hard_links_has_a_lock_of_its_own(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    with locked(data) as original:
        original.record("id")
        copy_by_hard_links(data, copy)

        assert service_lock.is_locked(str(data))
        assert not service_lock.is_locked(str(copy))
        with locked(copy) as copied:
            assert copied.provenance == Provenance(copied_from=str(data))
            assert original.keep_lock()
            assert copied.keep_lock()


def test_a_copy_by_hard_links_of_a_live_data_folder_shares_no_file_that_changes(
    tmp_path: Path,
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    with locked(data) as original, closing(make_database(data / "dispatcher.db")) as database:
        original.record("id")
        (data / "logs").mkdir()
        (data / "logs" / "log").write_text("one\n")
        database.execute("INSERT INTO t VALUES ('before')")
        copy_by_hard_links(data, copy)
        database.execute("INSERT INTO t VALUES ('shared')")  # the copy is not in use yet
        with locked(copy):
            separate_files(copy, copy / "dispatcher.db")
            database.execute("INSERT INTO t VALUES ('original')")
            with closing(make_database(copy / "dispatcher.db")) as other:
                other.execute("INSERT INTO t VALUES ('copy')")
            with (copy / "logs" / "log").open("a") as log:
                log.write("two\n")

        assert rows(data / "dispatcher.db") == ["before", "shared", "original"]
        assert rows(copy / "dispatcher.db") == ["before", "shared", "copy"]
        assert (data / "logs" / "log").read_text() == "one\n"


def test_a_start_leaves_a_backup_by_hard_links_as_it_was(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with locked(data) as original, closing(make_database(data / "dispatcher.db")) as database:
        original.record("id")
        database.execute("INSERT INTO t VALUES ('before')")
    copy_by_hard_links(data, backup)

    with locked(data):
        separate_files(data, data / "dispatcher.db")
        with closing(make_database(data / "dispatcher.db")) as database:
            database.execute("INSERT INTO t VALUES ('after')")

    assert rows(backup / "dispatcher.db") == ["before"]
    assert rows(data / "dispatcher.db") == ["before", "after"]


def test_a_service_notices_a_backup_that_is_unpacked_over_its_database(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup.db"
    data.mkdir()
    make_database(data / "dispatcher.db").close()
    shutil.copy(data / "dispatcher.db", backup)

    folder = DataFolder(data)
    database = make_database(data / "dispatcher.db")
    database.execute("INSERT INTO t VALUES ('after the backup')")
    folder.watch_database(data / "dispatcher.db")
    assert folder.whereabouts() is Whereabouts.IN_PLACE
    shutil.copy(backup, data / "part")
    (data / "part").replace(data / "dispatcher.db")
    assert folder.whereabouts() is Whereabouts.REPLACED
    database.close()
    folder.close()

    assert rows(data / "dispatcher.db") == []


def test_a_write_ahead_log_that_came_with_the_backup_is_kept(tmp_path: Path) -> None:
    data, live = tmp_path / "data", tmp_path / "live"
    for folder in (data, live):
        folder.mkdir()
    with closing(make_database(live / "dispatcher.db")) as saved:
        saved.execute("INSERT INTO t VALUES ('in the backup')")
        shutil.copytree(live, tmp_path / "backup")  # while its service runs

    holder = DataFolder(data)
    database = make_database(data / "dispatcher.db")
    holder.watch_database(data / "dispatcher.db")
    assert holder.whereabouts() is Whereabouts.IN_PLACE
    for name in ("dispatcher.db", "dispatcher.db-wal"):
        (data / name).unlink()
        shutil.copy(tmp_path / "backup" / name, data / name)
    assert holder.whereabouts() is Whereabouts.REPLACED
    database.close()
    holder.close()

    assert rows(data / "dispatcher.db") == ["in the backup"]


@pytest.mark.parametrize("path", ["shared/data", "elsewhere/data"])
def test_a_disk_that_another_host_mounts_is_no_copy(tmp_path: Path, path: str) -> None:
    data = tmp_path / path
    with locked(data) as folder:
        folder.record("id")
    record = json.loads((data / "identity.json").read_text())
    other = {"host": "node17", "boot_id": "another boot", "device": record["device"] + 1}
    shared = {**record, **other, "folder": str(tmp_path / "shared/data")}
    (data / "identity.json").write_text(json.dumps(shared))

    with locked(data) as folder:
        assert folder.provenance.copied_from is None


def test_a_copy_on_another_host_is_a_copy(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with locked(data) as folder:
        folder.record("id")
    record = json.loads((data / "identity.json").read_text())
    other = {"host": "node17", "boot_id": "another boot", "inode": record["inode"] + 1}
    (data / "identity.json").write_text(json.dumps({**record, **other}))

    with locked(data) as folder:
        assert folder.provenance.copied_from == f"{data} on node17"


def test_a_service_in_another_container_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_lock, "HOLDER_SECONDS", 0.0)
    unseen = {**ProcessIdentity.own().encoded(), "pid": 2**22 + 1, "started": 1}
    with (tmp_path / "service.lock").open("w") as lock:
        lock.write(json.dumps(unseen))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        expected = rf"another container .*process {2**22 + 1} on host {socket.gethostname()}"
        with pytest.raises(ServerUnreachable, match=expected):
            service_lock.require_reachable(str(tmp_path))

    service_lock.require_reachable(str(tmp_path))  # it has ended


def test_a_service_notices_another_data_folder_that_is_copied_over_its_own(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    with locked(other) as folder:
        folder.record("other id")
    with locked(data) as folder:
        folder.record("id")
        assert folder.whereabouts() is Whereabouts.IN_PLACE
        (data / "identity.json").write_bytes(b"{")  # a copy that has just begun
        assert folder.whereabouts() is Whereabouts.IN_PLACE

        shutil.copy(other / "identity.json", data / "identity.json")  # into the same file

        assert folder.whereabouts() is Whereabouts.REPLACED


def test_a_path_that_is_too_long_for_the_database_is_refused_with_the_limit(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-rather-long-name"] * 20)

    with pytest.raises(DispatcherError, match=r"has \d+ bytes, and SQLite takes at most 504"):
        serve(Settings(data_dir=deep / ".dispatcher"))

    assert not deep.exists()


def test_a_service_that_is_suspended_is_told_with_the_way_out(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "600"])
    try:
        facts = {**ProcessIdentity.own().encoded(), "pid": process.pid}
        facts["started"] = start_ticks(process.pid)
        with (tmp_path / "service.lock").open("w") as lock:
            lock.write(json.dumps(facts))
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert "suspended" not in service_lock.describe_holder(str(tmp_path))
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            assert f"kill -CONT {process.pid}" in service_lock.describe_holder(str(tmp_path))
    finally:
        process.kill()
        process.wait()
