"""Separates a data folder from a copy that was made with hard links (`cp -al`).

Both folders then have the same files: a service that wrote into its database or its logs would
change those of the other folder. So a service that starts gives its folder files of its own. The
contents in `blobs` are never changed and stay shared; the job folders in `nodes` belong to the
original alone (`copied_folder`).
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from dispatcher.server.data_folder import LOCK, RECORD
from dispatcher.store.content.disk import sync_folder
from dispatcher.wire.hard_links import is_shared, separate

log = logging.getLogger(__name__)
_APPENDED = ("logs", "uploads")  # folders of files that grow
_OF_DATABASE = ("-wal", "-shm")


def separate_files(data: Path, database: Path | None) -> None:
    """Give a data folder that shares files with another one files of its own.

    A start that is killed in between is repeated by the next one: the database comes last.

    Args:
        data: The data folder, locked by this process.
        database: The database, where it is a file.

    Raises:
        OSError: The files cannot be written; sqlite3.Error: the database cannot be read.
    """
    own_database = database is not None and database.parent.resolve() == data.resolve()
    marks = [data / RECORD, *([database] if own_database and database is not None else [])]
    if not any(is_shared(str(path)) for path in marks):
        return
    log.warning("%s shares files with a copy made by hard links; they are separated", data)
    for path in _changing_files(data, database):
        separate(str(path))
    if own_database and database is not None and is_shared(str(database)):
        _separate_database(database)
    separate(str(data / RECORD))
    sync_folder(data)


def _changing_files(data: Path, database: Path | None) -> Iterator[Path]:
    kept = {LOCK, "service.start.lock", RECORD}
    if database is not None:
        kept |= {database.name, *(database.name + suffix for suffix in _OF_DATABASE)}
    yield from (path for path in data.iterdir() if path.name not in kept)
    for folder in _APPENDED:
        yield from (data / folder).rglob("*")


def _separate_database(database: Path) -> None:
    """Copy the database as SQLite reads it: the service of the other folder may be writing."""
    part = database.with_name(f"{database.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as shared, closing(sqlite3.connect(part)) as own:
        shared.backup(own)
    for suffix in _OF_DATABASE:
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    part.replace(database)
