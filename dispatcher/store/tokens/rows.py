"""The table of tokens."""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import text_column


class TokenRow(SQLModel, table=True):
    __tablename__ = "tokens"
    __table_args__ = (Index("tokens_sha256", "sha256", unique=True),)
    id: str = Field(sa_column=text_column(primary_key=True))
    sha256: str = Field(sa_column=text_column())
    kind: str = Field(sa_column=text_column())
    name: str = Field(sa_column=text_column())
    role: str = Field(sa_column=text_column())
    created_by: str = Field(sa_column=text_column())
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
