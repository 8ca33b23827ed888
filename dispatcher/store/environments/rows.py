"""The table of registered environments."""

from sqlalchemy import Boolean, Column, Text, true
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class EnvironmentRow(SQLModel, table=True):
    __tablename__ = "environments"
    name: str = Field(sa_column=text_column(primary_key=True))
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: str = Field(sa_column=text_column())
    definition: str = Field(sa_column=text_column())
    created_at: float
    registered_by: str = Field(sa_column=Column(Text, nullable=False, server_default="user:owner"))
    submitter: str = Field(sa_column=Column(Text, nullable=False, server_default="owner"))
    moves_latest: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=true()))
