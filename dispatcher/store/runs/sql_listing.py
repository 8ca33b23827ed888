"""Which runs a query asks for, in SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from dispatcher.store.columns import INDEXED, VALUE_START
from dispatcher.store.labels.rows import PropertyRow, TagRow
from dispatcher.store.runs.contract import RunQuery
from dispatcher.store.runs.rows import RunRow

RUNS = RunRow.__table__  # type: ignore[attr-defined]
TAGS = TagRow.__table__  # type: ignore[attr-defined]
PROPERTIES = PropertyRow.__table__  # type: ignore[attr-defined]
NEWEST_FIRST = (RUNS.c.begun_at.desc(), RUNS.c.seq.desc())  # as `records.cursor_of` says
NEWEST_OF_FEW = ((RUNS.c.begun_at + 0).desc(), RUNS.c.seq.desc())  # the same, by no index
LAST = "\U0010ffff"  # ids are in byte order: all that begin so lie before it
RARE = 2_000  # runs with a label that are looked at one by one


def below(path: str, column: Any = RUNS.c.path) -> Any:
    """Runs whose path has this one as a proper prefix ('0' is what follows '/')."""
    return and_(column > path, column < path[:-1] + "0")


def listing(connection: Connection, query: RunQuery) -> "Select[Any]":
    """The statement for a query, newest runs first.

    If one of the labels asked for is rare, the runs that have it are looked at; else all runs from
    the newest on, until there are enough. The databases cannot tell which is better: one has no
    statistics of values, and both take the newest run first wherever there is a limit.
    """
    labels = [(TAGS, *one) for one in query.tags] + [(PROPERTIES, *one) for one in query.properties]
    counts = [count_of(connection, label) for label in labels]
    rarest = min(range(len(labels)), key=counts.__getitem__, default=None)
    if rarest is None or counts[rarest] > RARE:
        statement = _plain(connection, query, _as_it_is)
        statement = statement.order_by(*_order(query, NEWEST_FIRST))
    else:
        found = having(*labels.pop(rarest))
        statement = _plain(connection, query, in_no_index)
        statement = statement.where(RUNS.c.id.in_(select(found.table.c.run_id).where(*found.terms)))
        statement = statement.order_by(*_order(query, NEWEST_OF_FEW))
    for label in labels:
        found = having(*label)
        same = and_(found.table.c.run_id == RUNS.c.id, *found.terms)
        statement = statement.where(exists(select(1).select_from(found.table).where(same)))
    return statement


def counting(connection: Connection, query: RunQuery, most: int) -> "Select[Any]":
    """The statement that counts the runs of all pages of a query, up to `most`."""
    whole = replace(query, limit=most, after=None, offset=0)
    listed = listing(connection, whole).order_by(None).with_only_columns(RUNS.c.seq)
    return select(func.count()).select_from(listed.subquery())


def _order(query: RunQuery, newest_first: Sequence[Any]) -> Sequence[Any]:
    """The terms to sort by; see `contract.order_value`."""
    if query.order == "newest":
        return newest_first
    value: Any = {
        "number": RUNS.c.number,
        "name": func.coalesce(func.nullif(RUNS.c.display_name, ""), RUNS.c.id),
        "status": RUNS.c.status,
        "target": RUNS.c.target,
        "submitted_by": RUNS.c.submitted_by,
        "created": RUNS.c.created_at,
        "started": RUNS.c.started_at,
        "ended": RUNS.c.ended_at,
        "duration": RUNS.c.ended_at - RUNS.c.started_at,
    }[query.order]
    return (value.is_(None), value.desc() if query.descending else value.asc(), RUNS.c.seq.desc())


def _holds_text(text: str) -> Any:
    """See `contract.holds_text`."""
    columns = ("id", "experiment", "submitted_by", "display_name", "description")
    tagged = exists(
        select(1)
        .select_from(TAGS)
        .where(
            TAGS.c.run_id == RUNS.c.id,
            or_(*(TAGS.c[name].icontains(text, autoescape=True) for name in ("key", "value"))),
        )
    )
    return or_(*(RUNS.c[name].icontains(text, autoescape=True) for name in columns), tagged)


def _plain(connection: Connection, query: RunQuery, term: Callable[[Any], Any]) -> "Select[Any]":
    """The listing without its labels; `term` is how a column is written."""
    statement = select(RUNS).limit(query.limit).offset(query.offset or None)
    filters = _filters(query)
    walked = _rarest(connection, filters) if term is _as_it_is else None
    for column, value in filters:
        write = term if walked is None or column is walked else in_no_index
        statement = statement.where(write(column) == value)
    column = term(RUNS.c.path)
    if query.below is not None:
        statement = statement.where(below(_path(connection, query.below), column))
    if query.within is not None:
        path = _path(connection, query.within)
        statement = statement.where(or_(column == path, below(path, column)))
    if query.top_level:
        top: Any = RUNS.c.parent_id.is_(None)
        statement = statement.where(top if term is _as_it_is else case((top, 1), else_=0) == 1)
    if query.statuses:
        statement = statement.where(RUNS.c.status.in_(query.statuses))
    if query.submitted_by is not None:
        statement = statement.where(RUNS.c.submitted_by == query.submitted_by)
    if query.text is not None:
        statement = statement.where(_holds_text(query.text))
    if query.ids is not None:
        statement = statement.where(RUNS.c.id.in_(query.ids))
    if query.id_prefix is not None:
        first = query.id_prefix
        statement = statement.where(RUNS.c.id >= first, RUNS.c.id < first + LAST)
    if query.after is not None:
        begun = RUNS.c.begun_at if term is _as_it_is else RUNS.c.begun_at + 0
        statement = statement.where(tuple_(begun, RUNS.c.seq) < tuple_(*query.after))
    return statement


def _filters(query: RunQuery) -> list[tuple[Any, str]]:
    filters = (
        (RUNS.c.experiment, query.experiment),
        (RUNS.c.parent_id, query.parent),
        (RUNS.c.type, query.type),
        (RUNS.c.status, query.status),
        (RUNS.c.target, query.target),
    )
    return [(column, value) for column, value in filters if value is not None]


def _rarest(connection: Connection, filters: Sequence[tuple[Any, str]]) -> Any:
    """The column by whose index the runs should be walked: its value is the rarest.

    SQLite keeps no statistics, so it cannot tell. Beyond RARE, all are as good as each other.
    """
    if len(filters) < 2:
        return None

    def count(one: tuple[Any, str]) -> int:
        some = select(1).where(one[0] == one[1]).limit(RARE + 1).subquery()
        return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    return min(filters, key=count)[0]


def _path(connection: Connection, run_id: str) -> str:
    found = connection.execute(select(RUNS.c.path).where(RUNS.c.id == run_id)).scalar()
    return found or "//"


def _as_it_is(column: Any) -> Any:
    return column


def in_no_index(column: Any) -> Any:
    """The column in a form that no index has, so that it is not what runs are walked by."""
    return func.coalesce(column, "\x01")


@dataclass(frozen=True)
class _Having:
    table: Any
    terms: tuple[Any, ...]


def count_of(connection: Connection, label: "tuple[Any, str, Any]") -> int:
    """How many runs have a label; beyond RARE it is not counted on."""
    found = having(*label)
    some = select(1).select_from(found.table).where(*found.terms).limit(RARE + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def having(table: Any, key: str, wanted: "tuple[str | None] | None") -> _Having:
    """The rows of a label, as the index of values serves them."""
    same_key = table.c.key == key
    if wanted is None:
        return _Having(table, (same_key,))
    value = wanted[0]
    if value is None:
        return _Having(table, (same_key, table.c.value.is_(None)))
    start: Any = literal_column(VALUE_START)
    if len(value) < INDEXED:
        return _Having(table, (same_key, start == value))
    # SQLite would put a bare `value = …` into the term before it, which is then in no index.
    whole = func.coalesce(table.c.value, "") == value
    return _Having(table, (same_key, start == value[:INDEXED], whole))
