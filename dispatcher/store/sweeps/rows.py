"""The table of sweeps."""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class SweepRow(SQLModel, table=True):
    __tablename__ = "sweeps"
    __table_args__ = (Index("sweeps_over", "over"),)
    run_id: str = Field(sa_column=text_column(primary_key=True))
    spec: str = Field(sa_column=text_column())
    paused: bool
    retries: int
    over: bool
