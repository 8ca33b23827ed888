"""Counters that number runs and events; SQL statements that both databases know."""

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, bindparam, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column
from dispatcher.store.precompiled import Precompiled


class CounterRow(SQLModel, table=True):
    __tablename__ = "counters"
    name: str = Field(sa_column=text_column(primary_key=True))
    value: int = Field(sa_column=Column(BigInteger, nullable=False))


COUNTERS = CounterRow.__table__  # type: ignore[attr-defined]
_ADD = Precompiled(
    update(COUNTERS)
    .where(COUNTERS.c.name == bindparam("counter"))
    .values(value=COUNTERS.c.value + bindparam("by"))
    .returning(COUNTERS.c.value)
)


def add_to_counter(connection: Connection, name: str, by: int) -> int:
    """Add to a counter and return its new value.

    The row stays locked until the commit, which orders those who count at the same time.
    """
    step = {"counter": name, "by": by}
    value = _ADD.execute(connection, step).scalar()
    if value is None:
        connection.execute(insert_missing(connection, COUNTERS), [{"name": name, "value": 0}])
        value = _ADD.execute(connection, step).scalar_one()
    return int(value)


def insert_missing(connection: Connection, table: Any) -> Any:
    """INSERT … ON CONFLICT DO NOTHING, in the words of either database."""
    if connection.dialect.name == "sqlite":
        return sqlite_insert(table).on_conflict_do_nothing()
    return postgresql_insert(table).on_conflict_do_nothing()
