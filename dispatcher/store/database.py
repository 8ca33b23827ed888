"""Opening a database, and its driver's errors in the store's words."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from dispatcher.core.errors import StorageFull, StoreUnavailable

SQLITE_PREFIX = "sqlite:///"
_FULL = ("disk is full", "no space left on device", "disk quota exceeded")
_LASTING = (
    "no such",
    "syntax",
    "constraint",
    "readonly",
    "malformed",
    "not a database",
    *_FULL,
)


def create_database_engine(url: str) -> Engine:
    """An engine for the URL. Behind SQLITE_PREFIX stands a path as it is, without escapes.

    SQLite runs with `synchronous=FULL`: what was acknowledged survives a power cut.
    """
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True)
    path = url.removeprefix(SQLITE_PREFIX)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        URL.create("sqlite", database=path),
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        connect_args={"check_same_thread": False, "timeout": 30},
    )
    event.listen(engine, "connect", _tune_sqlite)
    return engine


def is_transient(error: DBAPIError) -> bool:
    """Whether trying again may help: a busy or restarting database, a deadlock."""
    text = str(error.orig).lower()
    return not any(word in text for word in _LASTING)


def unavailable(error: DBAPIError, engine: Engine) -> StoreUnavailable:
    """The driver's error as StoreUnavailable, or StorageFull."""
    place = engine.url.database or ""
    text = str(error.orig).lower()
    translation = StoreUnavailable(f"the database does not answer: {error.orig}")
    if any(word in text for word in _FULL):
        is_file = engine.dialect.name == "sqlite"
        translation = StorageFull(os.path.dirname(place) if is_file else f"the database {place!r}")
    translation.__cause__ = error
    return translation


@contextlib.contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Raise StoreUnavailable for the driver's errors."""
    try:
        yield
    except DBAPIError as error:
        raise unavailable(error, engine) from error


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the store says BEGIN itself; reads stay autocommit
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=OFF",
        "temp_store=MEMORY",
        "cache_size=-16000",
        "wal_autocheckpoint=2000",
        "secure_delete=ON",  # a secret that was removed is not left in a free page
    ):
        connection.execute(f"PRAGMA {pragma}")
