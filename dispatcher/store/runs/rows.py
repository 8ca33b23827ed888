"""The table of runs.

A run's row has a column for what is searched or sorted by; the rest of its state is one JSON text.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Text, text
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import byte_order_column, text_column


class RunRow(SQLModel, table=True):
    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_bucket", "bucket", "target", "rank", "seq"),
        Index("runs_bucket_seq", "bucket", "seq"),
        Index("runs_ended", "bucket", "ended_at", "seq"),
        Index("runs_newest", "begun_at", "seq"),
        Index("runs_experiment_newest", "experiment", "begun_at", "seq"),
        Index("runs_status_newest", "status", "begun_at", "seq"),
        Index("runs_target_newest", "target", "begun_at", "seq"),
        Index(
            "runs_type_newest",
            "type",
            "begun_at",
            "seq",
            sqlite_where=text("type IS NOT NULL"),
            postgresql_where=text("type IS NOT NULL"),
        ),
        Index("runs_parent", "parent_id", "status"),
        Index("runs_path", "path"),
        Index("runs_snapshot", "snapshot", "target"),
        Index("runs_build_context", "build_context", "target"),
        Index("runs_key", "parent_id", "key", unique=True),
    )
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    number: int
    experiment: str = Field(sa_column=text_column())
    parent_id: str | None = Field(sa_column=text_column(nullable=True))
    # "/root/…/id/": runs below another have its path as prefix; searched as a range, so byte order.
    path: str = Field(sa_column=byte_order_column())
    snapshot: str | None = Field(sa_column=text_column(nullable=True))
    build_context: str | None = Field(sa_column=text_column(nullable=True))
    submitted_by: str = Field(sa_column=Column(Text, nullable=False, server_default="owner"))
    key: str | None = Field(sa_column=text_column(nullable=True))
    type: str | None = Field(sa_column=text_column(nullable=True))
    target: str = Field(sa_column=text_column())
    rank: int  # -priority
    status: str = Field(sa_column=text_column())
    bucket: str = Field(sa_column=text_column())  # queued | owed | open | done
    version: int
    attempt: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    begun_at: float = Field(sa_column=Column(Float, nullable=False, server_default=text("1e18")))
    display_name: str | None = Field(sa_column=text_column(nullable=True))
    description: str | None = Field(sa_column=text_column(nullable=True))
    child_policy: str = Field(sa_column=text_column())
    spec: str = Field(sa_column=text_column())
    state: str = Field(sa_column=text_column())
