"""The table of deleted runs."""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class DeletedRunRow(SQLModel, table=True):
    __tablename__ = "deleted_runs"
    __table_args__ = (Index("deleted_runs_due", "purge_due"),)
    run_id: str = Field(sa_column=text_column(primary_key=True))
    at: float
    by: str = Field(sa_column=text_column())
    purge_due: float | None
