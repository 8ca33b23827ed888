"""The table of events."""

from sqlalchemy import BigInteger, Column, Index, Integer
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class EventRow(SQLModel, table=True):
    __tablename__ = "events"
    __table_args__ = (Index("events_run", "run_id", "id"),)
    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: float
    actor: str = Field(sa_column=text_column())
    kind: str = Field(sa_column=text_column())
    subject: str = Field(sa_column=text_column())
    run_id: str | None = Field(sa_column=text_column(nullable=True))
    version: int | None = Field(sa_column=Column(Integer, nullable=True))
    attempt: int | None = Field(sa_column=Column(Integer, nullable=True))
    data: str = Field(sa_column=text_column())
