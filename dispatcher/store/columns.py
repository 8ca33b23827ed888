"""Column types that several tables share."""

from sqlalchemy import Column, Text

# What of a label's value is indexed: PostgreSQL takes 2,704 bytes an entry, and values are longer.
INDEXED = 200
VALUE_START = f"substr(value, 1, {INDEXED})"


def text_column(*, primary_key: bool = False, nullable: bool = False) -> "Column[str]":
    return Column(Text, primary_key=primary_key, nullable=nullable)


def byte_order_column(*, primary_key: bool = False) -> "Column[str]":
    kind = Text().with_variant(Text(collation="C"), "postgresql")
    return Column(kind, primary_key=primary_key, nullable=False)
