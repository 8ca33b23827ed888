"""Tables of metric values and stream offsets."""

from sqlalchemy import BigInteger, Column, Index, Integer
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class PointRow(SQLModel, table=True):
    __tablename__ = "points"
    __table_args__ = (Index("points_run", "run_id", "name", "id"),)
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    run_id: str = Field(sa_column=text_column())
    attempt: int
    name: str = Field(sa_column=text_column())
    kind: str = Field(sa_column=text_column())
    # JSON as Python writes it, which keeps NaN and the infinities.
    value: str = Field(sa_column=text_column())
    t: float | None
    step: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    description: str = Field(sa_column=text_column())


class LatestRow(SQLModel, table=True):
    """The newest number of each metric: what runs are shown, searched and sorted by."""

    __tablename__ = "latest"
    run_id: str = Field(sa_column=text_column(primary_key=True))
    name: str = Field(sa_column=text_column(primary_key=True))
    attempt: int
    value: float | None  # NaN is NULL: SQLite cannot keep it
    t: float
    step: int = Field(sa_column=Column(BigInteger, nullable=False))


class StreamRow(SQLModel, table=True):
    __tablename__ = "streams"
    run_id: str = Field(sa_column=text_column(primary_key=True))
    attempt: int = Field(primary_key=True)
    stream: str = Field(sa_column=text_column(primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
