"""Tables of experiments, targets, and facts of the installation."""

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class ExperimentRow(SQLModel, table=True):
    __tablename__ = "experiments"
    id: str = Field(sa_column=text_column(primary_key=True))
    name: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    created_at: float
    tags: str = Field(sa_column=text_column())
    archived_at: float | None = None


class TargetRow(SQLModel, table=True):
    __tablename__ = "targets"
    name: str = Field(sa_column=text_column(primary_key=True))
    config: str = Field(sa_column=text_column())


class MetaRow(SQLModel, table=True):
    __tablename__ = "meta"
    key: str = Field(sa_column=text_column(primary_key=True))
    value: str = Field(sa_column=text_column())
