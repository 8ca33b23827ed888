"""Tables of tags and properties."""

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import VALUE_START, text_column


class TagRow(SQLModel, table=True):
    __tablename__ = "tags"
    __table_args__ = (Index("tags_value", "key", text(VALUE_START), "run_id"),)
    run_id: str = Field(sa_column=text_column(primary_key=True))
    key: str = Field(sa_column=text_column(primary_key=True))
    value: str | None = Field(sa_column=text_column(nullable=True))


class PropertyRow(SQLModel, table=True):
    __tablename__ = "properties"
    __table_args__ = (Index("properties_value", "key", text(VALUE_START), "run_id"),)
    run_id: str = Field(sa_column=text_column(primary_key=True))
    key: str = Field(sa_column=text_column(primary_key=True))
    value: str | None = Field(sa_column=text_column(nullable=True))
