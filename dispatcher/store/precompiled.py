"""Statements of the most frequent calls, compiled once for each database.

SQLAlchemy caches compiled statements, but still builds a cache key, the parameters and the result's
columns for each execution. That takes twice as long as SQLite needs for the statement. The texts
here go to the driver as they are: their values are texts, numbers or None, which all drivers take.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Dialect
from sqlalchemy.engine import Connection


class Precompiled:
    """A statement that is compiled at its first execution.

    Args:
        statement: SQLAlchemy's. Its parameters are named by `bindparam`; none is expanding.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._of_dialect: dict[str, tuple[str, Sequence[str], Mapping[str, Any]]] = {}

    def execute(
        self, connection: Connection, values: Mapping[str, Any]
    ) -> "CursorResult[*tuple[Any, ...]]":
        """Execute it with these values of its parameters."""
        dialect = connection.dialect
        compiled = self._of_dialect.get(dialect.name) or self._compile(dialect)
        text, order, constants = compiled
        given = {**constants, **values} if constants else values
        if order:
            return connection.exec_driver_sql(text, tuple(given[name] for name in order))
        return connection.exec_driver_sql(text, dict(given))

    def _compile(self, dialect: Dialect) -> tuple[str, Sequence[str], Mapping[str, Any]]:
        made = self._statement.compile(dialect=dialect)
        constants = {name: value for name, value in made.params.items() if value is not None}
        compiled = str(made), tuple(made.positiontup or ()), constants
        self._of_dialect[dialect.name] = compiled
        return compiled
