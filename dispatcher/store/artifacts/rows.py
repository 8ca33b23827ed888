"""The table of artifacts."""

from sqlalchemy import BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from dispatcher.store.columns import byte_order_column, text_column


class ArtifactRow(SQLModel, table=True):
    __tablename__ = "artifacts"
    __table_args__ = (Index("artifacts_sha256", "sha256"),)
    run_id: str = Field(sa_column=text_column(primary_key=True))
    # Listed by prefix and page by page: searched as a range, so byte order.
    name: str = Field(sa_column=byte_order_column(primary_key=True))
    sha256: str = Field(sa_column=text_column())
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: float
    attempt: int
