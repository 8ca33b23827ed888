"""Where the database of a service may lie."""

from pathlib import Path

import pytest
from sqlalchemy import text

from dispatcher.core.errors import StoreUnavailable
from dispatcher.store.database import SQLITE_PATH_BYTES, SQLITE_PREFIX, create_database_engine


def of_length(folder: Path, size: int) -> Path:
    """The path of a database, of so many bytes."""
    rest = size - len(bytes(folder)) - len("/x.db")
    while rest > 1:
        part = min(200, rest - 1)
        folder, rest = folder / ("d" * part), rest - part - 1
    return folder / f"{'x' * (1 + rest)}.db"


def test_the_longest_path_that_sqlite_takes_is_taken(tmp_path: Path) -> None:
    path = of_length(tmp_path, SQLITE_PATH_BYTES)
    assert len(bytes(path)) == SQLITE_PATH_BYTES
    engine = create_database_engine(f"{SQLITE_PREFIX}{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE one (a INTEGER)"))
    engine.dispose()


def test_a_longer_path_is_refused_with_its_length_and_the_limit(tmp_path: Path) -> None:
    path = of_length(tmp_path, SQLITE_PATH_BYTES + 1)
    with pytest.raises(StoreUnavailable, match=r"has 505 bytes; .* 504\. Move the workspace"):
        create_database_engine(f"{SQLITE_PREFIX}{path}")
