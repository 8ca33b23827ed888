"""`RunSearch` as one SQL statement. The rule it keeps to is `core.runs.search.holds`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, String, and_, case, cast, func, not_, or_, select

from dispatcher.core.runs.search import Clause, Order
from dispatcher.store.documents.rows import DocumentRow, ParamRow
from dispatcher.store.metrics.rows import LatestRow
from dispatcher.store.runs.contract import RunSearch
from dispatcher.store.runs.mlflow_terms import (
    DELETED,
    MLFLOW_STATUS,
    PARENT_TAG,
    RUN_NAME_TAG,
    USER_TAG,
)
from dispatcher.store.runs.sql_listing import (
    NEWEST_FIRST,
    NEWEST_OF_FEW,
    RARE,
    RUNS,
    TAGS,
    count_of,
    having,
    in_no_index,
)

LATEST = LatestRow.__table__  # type: ignore[attr-defined]
PARAMS = ParamRow.__table__  # type: ignore[attr-defined]
DOCUMENTS = DocumentRow.__table__  # type: ignore[attr-defined]


def searching(connection: Connection, search: RunSearch) -> "Select[Any]":
    """The runs that a search finds, in its order."""
    dialect = connection.dialect.name
    wanted = select(RUNS).limit(search.limit).offset(search.offset)
    rare = _rare(connection, search.clauses)  # then these runs are looked at, not the newest first
    if search.experiments is not None:
        experiment = in_no_index(RUNS.c.experiment) if rare else RUNS.c.experiment
        wanted = wanted.where(experiment.in_(search.experiments))
    if search.within is not None:
        wanted = wanted.where(_within(connection, search.within))
    if search.view != "all":
        deleted = RUNS.c.id.in_(select(DOCUMENTS.c.run_id).where(DOCUMENTS.c.kind == DELETED))
        wanted = wanted.where(deleted if search.view == "deleted" else not_(deleted))
    for clause in search.clauses:
        wanted = wanted.where(_condition(clause, dialect))
    for order in search.order:
        value = _value(order)
        wanted = wanted.order_by(value.is_(None), value.desc() if order.descending else value.asc())
    return wanted.order_by(*(NEWEST_OF_FEW if rare else NEWEST_FIRST))


def _rare(connection: Connection, clauses: Sequence[Clause]) -> bool:
    """Whether few runs have one of the tags that are asked for (see `sql_listing.listing`)."""
    return any(
        count_of(connection, (TAGS, clause.key, (str(clause.value),))) <= RARE
        for clause in clauses
        if _by_value(clause)
    )


def _by_value(clause: Clause) -> bool:
    """Whether the index of tags' values serves a clause."""
    return bool(
        clause.kind == "tag"
        and clause.op == "="
        and clause.value
        and _attribute_of_tag(clause) is None
    )


def _within(connection: Connection, run_id: str) -> Any:
    path = connection.execute(select(RUNS.c.path).where(RUNS.c.id == run_id)).scalar() or "//"
    return and_(RUNS.c.path >= path, RUNS.c.path < path[:-1] + "0")


def _condition(clause: Clause, dialect: str) -> Any:
    if clause.kind == "attribute" or _attribute_of_tag(clause) is not None:
        return _compare(_value(clause), clause, dialect)
    if clause.kind == "dataset":
        read = select(DOCUMENTS.c.run_id).where(
            DOCUMENTS.c.kind == "dataset", DOCUMENTS.c.run_id == RUNS.c.id
        )
        return read.where(_compare(DOCUMENTS.c[clause.key], clause, dialect)).exists()
    if _by_value(clause):
        terms = having(TAGS, clause.key, (str(clause.value),)).terms
        return RUNS.c.id.in_(select(TAGS.c.run_id).where(*terms))
    if clause.op in ("IS NULL", "IS NOT NULL"):
        there = _having(clause).exists()
        return there if clause.op == "IS NOT NULL" else not_(there)
    return _having(clause).where(_compare(_column(clause), clause, dialect)).exists()


def _having(clause: Clause | Order) -> "Select[Any]":
    """The row of a metric, param or tag of the run at hand."""
    column = _column(clause)
    if clause.kind == "tag":
        return select(column).where(TAGS.c.run_id == RUNS.c.id, TAGS.c.key == clause.key)
    table = LATEST if clause.kind == "metric" else PARAMS
    name = LATEST.c.name if clause.kind == "metric" else PARAMS.c.key
    mine = and_(table.c.run_id == RUNS.c.id, table.c.attempt == RUNS.c.attempt)
    return select(column).where(mine, name == clause.key)


def _column(clause: Clause | Order) -> Any:
    if clause.kind == "tag":
        return _tag_value()
    return LATEST.c.value if clause.kind == "metric" else PARAMS.c.value


def _tag_value() -> Any:
    return func.coalesce(TAGS.c.value, "")


def _value(clause: Clause | Order) -> Any:
    """What a clause compares, or an order sorts by, of the run at hand."""
    key = clause.key if clause.kind == "attribute" else _attribute_of_tag(clause)
    if key is None:
        return _having(clause).scalar_subquery()
    if key == "user_id":
        return _having(Order("tag", USER_TAG)).scalar_subquery()
    if key == "parent_id":
        told = _having(Order("tag", PARENT_TAG)).scalar_subquery()
        return func.coalesce(RUNS.c.parent_id, told)
    return {
        "run_id": RUNS.c.id,
        "run_name": func.coalesce(RUNS.c.display_name, RUNS.c.id),
        "status": case(MLFLOW_STATUS, value=RUNS.c.status, else_="RUNNING"),
        "start_time": func.round(func.coalesce(RUNS.c.started_at, RUNS.c.created_at) * 1000),
        "end_time": func.round(RUNS.c.ended_at * 1000),
    }[key]


def _attribute_of_tag(clause: Clause | Order) -> str | None:
    """Tags that say what the run itself says: it is asked, so they cannot disagree."""
    if clause.kind != "tag":
        return None
    return {RUN_NAME_TAG: "run_name", PARENT_TAG: "parent_id"}.get(clause.key)


def _compare(column: Any, clause: Clause, dialect: str) -> Any:
    value = clause.value
    match clause.op:
        case "IN":
            return column.in_(value)
        case "NOT IN":
            return column.not_in(value)
        case "IS NULL":
            return column.is_(None)
        case "IS NOT NULL":
            return column.is_not(None)
        case "LIKE" | "ILIKE":
            return _like(column, str(value), dialect, fold=clause.op == "ILIKE")
        case "!=" if clause.kind == "metric":
            return or_(column != value, column.is_(None))  # NaN is kept as NULL
    return {
        "=": column == value, "!=": column != value, ">": column > value,
        ">=": column >= value, "<": column < value, "<=": column <= value,
    }[clause.op]  # fmt: skip


def _like(column: Any, pattern: str, dialect: str, *, fold: bool) -> Any:
    """LIKE minds the case and has no escape; SQLite's own does not mind it, but its GLOB does."""
    if dialect != "sqlite":
        return column.op("ILIKE" if fold else "LIKE")(pattern.replace("\\", "\\\\"))
    if fold:
        return cast(column, String).op("LIKE")(pattern)
    special = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return column.op("GLOB")("".join(special.get(c, c) for c in pattern))
