"""Results as JSON, table, YAML or TSV, after an optional JMESPath query."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import jmespath
import typer
import yaml
from jmespath.exceptions import JMESPathError
from rich.console import Console
from rich.table import Table

from dispatcher.cli.exits import Exit

MAX_CELL = 60


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"
    YAML = "yaml"
    TSV = "tsv"


Output = Annotated[
    Format | None,
    typer.Option("--output", "-o", help="How to print; default: table at a terminal, else json."),
]
Query = Annotated[str | None, typer.Option("--query", help="JMESPath to pick from the result.")]


def show(
    result: Any, output: Format | None, query: str | None, columns: Sequence[str] = ()
) -> None:
    """Print a result to stdout. `columns` are what a table shows if nothing was picked."""
    picked = _pick(result, query) if query else result
    console = Console()
    chosen = output or (Format.TABLE if console.is_terminal else Format.JSON)
    if chosen is Format.JSON:
        typer.echo(json.dumps(picked, indent=2, ensure_ascii=False, default=str))
    elif chosen is Format.YAML:
        typer.echo(yaml.safe_dump(picked, sort_keys=False, allow_unicode=True).rstrip())
    elif chosen is Format.TSV:
        _tsv(picked, () if query else columns)
    else:
        console.print(_table(picked, () if query else columns))


def _pick(result: Any, query: str) -> Any:
    try:
        return jmespath.search(query, result)
    except JMESPathError as error:
        typer.echo(f"error: --query {query!r} is no JMESPath: {error}", err=True)
        raise typer.Exit(Exit.USAGE) from error


def _records(picked: Any) -> list[Mapping[str, Any]]:
    items = picked if isinstance(picked, list) else [picked]
    return [item if isinstance(item, dict) else {"value": item} for item in items]


def _tsv(picked: Any, columns: Sequence[str]) -> None:
    for record in _records(picked):
        names = columns or list(record)
        typer.echo("\t".join(_cell(record.get(name)).replace("\t", " ") for name in names))


def _table(picked: Any, columns: Sequence[str]) -> Table:
    if isinstance(picked, dict) and not columns:
        table = Table("key", "value", show_header=False, box=None, pad_edge=False)
        for key, value in picked.items():
            table.add_row(key, _cell(value))
        return table
    records = _records(picked)
    names = list(columns) or list(dict.fromkeys(key for record in records for key in record))
    table = Table(*names, box=None, pad_edge=False)
    for record in records:
        table.add_row(*[_short(_cell(record.get(name))) for name in names])
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str) if value else ""
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
