"""Many rows in one statement, by the driver itself.

SQLAlchemy prepares each value of each row for its column; for a thousand runs with ten properties
that takes longer than the database. Here every value is a text, a number or None already, which all
drivers take as they are.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, insert


def add(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, which all have the same columns."""
    if not rows:
        return
    text, names = _statement(table, connection.dialect, tuple(rows[0]))
    if names:
        values = itemgetter(*names)  # a tuple: every table has two columns or more
        connection.exec_driver_sql(text, list(map(values, rows)))
    else:
        connection.exec_driver_sql(text, [dict(row) for row in rows])


@lru_cache(maxsize=64)
def _statement(table: Any, dialect: Dialect, columns: tuple[str, ...]) -> tuple[str, Sequence[str]]:
    """The statement, and the order of its values where they have no names."""
    made: Any = insert(table).compile(dialect=dialect, column_keys=list(columns))
    return str(made), tuple(made.positiontup or ())
