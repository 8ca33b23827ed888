"""Tables of params and documents."""

from sqlalchemy import BigInteger, Column, Index, Integer
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class ParamRow(SQLModel, table=True):
    __tablename__ = "params"
    __table_args__ = (Index("params_key", "key", "run_id"),)
    run_id: str = Field(sa_column=text_column(primary_key=True))
    key: str = Field(sa_column=text_column(primary_key=True))
    attempt: int
    value: str = Field(sa_column=text_column())


class DocumentRow(SQLModel, table=True):
    __tablename__ = "records"
    __table_args__ = (
        Index("records_id", "kind", "id"),
        Index("records_run", "kind", "run_id", "id", unique=True),
    )
    place: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    kind: str = Field(sa_column=text_column())
    run_id: str = Field(sa_column=text_column())
    id: str = Field(sa_column=text_column())
    name: str = Field(sa_column=text_column())
    digest: str = Field(sa_column=text_column())
    context: str = Field(sa_column=text_column())
    body: str = Field(sa_column=text_column())
