"""The table of calls that carried an idempotency key."""

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class KeyedCallRow(SQLModel, table=True):
    __tablename__ = "answers"
    __table_args__ = (Index("answers_at", "at"),)
    key: str = Field(sa_column=text_column(primary_key=True))
    digest: str = Field(sa_column=text_column())
    answer: str = Field(sa_column=text_column())
    at: float
    holder: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
