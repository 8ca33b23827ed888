"""The table of registered environments."""

from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class EnvironmentRow(SQLModel, table=True):
    __tablename__ = "environments"
    name: str = Field(sa_column=text_column(primary_key=True))
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: str = Field(sa_column=text_column())
    definition: str = Field(sa_column=text_column())
    created_at: float
