"""The table of leases."""

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class LeaseRow(SQLModel, table=True):
    __tablename__ = "leases"
    name: str = Field(sa_column=text_column(primary_key=True))
    holder: str = Field(sa_column=text_column())
    token: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires: float
