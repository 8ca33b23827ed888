"""The tables. Rows are only how things are kept: nothing outside this room sees one (`table=True`
does not validate).

A run's row has a column for what is searched or sorted by; the rest of its state is one JSON text.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

# What of a label's value is indexed: PostgreSQL takes 2,704 bytes an entry, and values are longer.
INDEXED = 200
VALUE_START = f"substr(value, 1, {INDEXED})"


def _text(*, primary_key: bool = False, nullable: bool = False) -> "Column[str]":
    return Column(Text, primary_key=primary_key, nullable=nullable)


def _in_byte_order(*, primary_key: bool = False) -> "Column[str]":
    kind = Text().with_variant(Text(collation="C"), "postgresql")
    return Column(kind, primary_key=primary_key, nullable=False)


class RunRow(SQLModel, table=True):
    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_bucket", "bucket", "target", "rank", "seq"),
        Index("runs_newest", "begun_at", "seq"),
        Index("runs_experiment_newest", "experiment", "begun_at", "seq"),
        Index("runs_parent", "parent_id", "status"),
        Index("runs_path", "path"),
        Index("runs_key", "parent_id", "key", unique=True),
    )
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    number: int
    experiment: str = Field(sa_column=_text())
    parent_id: str | None = Field(sa_column=_text(nullable=True))
    # "/root/…/id/": runs below another have its path as prefix; searched as a range, so byte order.
    path: str = Field(sa_column=_in_byte_order())
    key: str | None = Field(sa_column=_text(nullable=True))
    type: str | None = Field(sa_column=_text(nullable=True))
    target: str = Field(sa_column=_text())
    rank: int  # -priority
    status: str = Field(sa_column=_text())
    bucket: str = Field(sa_column=_text())  # queued | owed | open | done
    version: int
    attempt: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    begun_at: float = Field(sa_column=Column(Float, nullable=False, server_default=text("1e18")))
    display_name: str | None = Field(sa_column=_text(nullable=True))
    description: str | None = Field(sa_column=_text(nullable=True))
    child_policy: str = Field(sa_column=_text())
    spec: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())


class EventRow(SQLModel, table=True):
    __tablename__ = "events"
    run_id: str = Field(sa_column=_text(primary_key=True))
    version: int = Field(primary_key=True)
    attempt: int
    type: str = Field(sa_column=_text())
    at: float
    data: str = Field(sa_column=_text())


class TagRow(SQLModel, table=True):
    __tablename__ = "tags"
    __table_args__ = (Index("tags_value", "key", text(VALUE_START), "run_id"),)
    run_id: str = Field(sa_column=_text(primary_key=True))
    key: str = Field(sa_column=_text(primary_key=True))
    value: str | None = Field(sa_column=_text(nullable=True))


class PropertyRow(SQLModel, table=True):
    __tablename__ = "properties"
    __table_args__ = (Index("properties_value", "key", text(VALUE_START), "run_id"),)
    run_id: str = Field(sa_column=_text(primary_key=True))
    key: str = Field(sa_column=_text(primary_key=True))
    value: str | None = Field(sa_column=_text(nullable=True))


class PointRow(SQLModel, table=True):
    __tablename__ = "points"
    __table_args__ = (Index("points_run", "run_id", "name", "id"),)
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    run_id: str = Field(sa_column=_text())
    attempt: int
    name: str = Field(sa_column=_text())
    kind: str = Field(sa_column=_text())
    value: str = Field(sa_column=_text())  # JSON as Python writes it: NaN and infinities are kept
    t: float | None
    step: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    description: str = Field(sa_column=_text())


class LatestRow(SQLModel, table=True):
    """The newest number of each metric: what runs are shown, searched and sorted by."""

    __tablename__ = "latest"
    run_id: str = Field(sa_column=_text(primary_key=True))
    name: str = Field(sa_column=_text(primary_key=True))
    attempt: int
    value: float | None  # NaN is NULL: SQLite cannot keep it
    t: float
    step: int = Field(sa_column=Column(BigInteger, nullable=False))


class ParamRow(SQLModel, table=True):
    __tablename__ = "params"
    __table_args__ = (Index("params_key", "key", "run_id"),)
    run_id: str = Field(sa_column=_text(primary_key=True))
    key: str = Field(sa_column=_text(primary_key=True))
    attempt: int
    value: str = Field(sa_column=_text())


class RecordRow(SQLModel, table=True):
    __tablename__ = "records"
    __table_args__ = (
        Index("records_id", "kind", "id"),
        Index("records_run", "kind", "run_id", "id", unique=True),
    )
    place: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    kind: str = Field(sa_column=_text())
    run_id: str = Field(sa_column=_text())
    id: str = Field(sa_column=_text())
    name: str = Field(sa_column=_text())
    digest: str = Field(sa_column=_text())
    context: str = Field(sa_column=_text())
    body: str = Field(sa_column=_text())


class StreamRow(SQLModel, table=True):
    __tablename__ = "streams"
    run_id: str = Field(sa_column=_text(primary_key=True))
    attempt: int = Field(primary_key=True)
    stream: str = Field(sa_column=_text(primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))


class ArtifactRow(SQLModel, table=True):
    __tablename__ = "artifacts"
    run_id: str = Field(sa_column=_text(primary_key=True))
    # Listed by prefix and page by page: searched as a range, so byte order.
    name: str = Field(sa_column=_in_byte_order(primary_key=True))
    sha256: str = Field(sa_column=_text())
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: float
    attempt: int


class SweepRow(SQLModel, table=True):
    __tablename__ = "sweeps"
    __table_args__ = (Index("sweeps_over", "over"),)
    run_id: str = Field(sa_column=_text(primary_key=True))
    spec: str = Field(sa_column=_text())
    paused: bool
    retries: int
    over: bool


class ExperimentRow(SQLModel, table=True):
    __tablename__ = "experiments"
    id: str = Field(sa_column=_text(primary_key=True))
    name: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    created_at: float
    tags: str = Field(sa_column=_text())
    archived_at: float | None = None


class EnvironmentRow(SQLModel, table=True):
    __tablename__ = "environments"
    name: str = Field(sa_column=_text(primary_key=True))
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: str = Field(sa_column=_text())
    definition: str = Field(sa_column=_text())
    created_at: float


class TargetRow(SQLModel, table=True):
    __tablename__ = "targets"
    name: str = Field(sa_column=_text(primary_key=True))
    config: str = Field(sa_column=_text())


class AnswerRow(SQLModel, table=True):
    __tablename__ = "answers"
    key: str = Field(sa_column=_text(primary_key=True))
    digest: str = Field(sa_column=_text())
    answer: str = Field(sa_column=_text())
    at: float


class CounterRow(SQLModel, table=True):
    __tablename__ = "counters"
    name: str = Field(sa_column=_text(primary_key=True))
    value: int = Field(sa_column=Column(BigInteger, nullable=False))


class MetaRow(SQLModel, table=True):
    __tablename__ = "meta"
    key: str = Field(sa_column=_text(primary_key=True))
    value: str = Field(sa_column=_text())


class LeaseRow(SQLModel, table=True):
    __tablename__ = "leases"
    name: str = Field(sa_column=_text(primary_key=True))
    holder: str = Field(sa_column=_text())
    token: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires: float
