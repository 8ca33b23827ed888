"""Results as JSON, table, YAML or TSV, after an optional JMESPath query.

The libraries for tables, YAML and queries are imported where a command needs them: to import them
takes longer than most commands do.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dispatcher.cli.exits import Exit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MAX_CELL = 60
# C0 without tab and newline, DEL, C1, and the characters that reorder the text around them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PIPE_WIDTH = 4096  # characters of a table in a pipe, so that it is not cut


class Format(StrEnum):
    """az's output formats; those that end in `c` are coloured at a terminal."""

    JSON = "json"
    JSONC = "jsonc"
    TABLE = "table"
    YAML = "yaml"
    YAMLC = "yamlc"
    TSV = "tsv"
    NONE = "none"


def show(
    result: Any, output: Format | None, query: str | None, columns: Sequence[str] = ()
) -> None:
    """Print a result to stdout. `columns` are a table's columns without a query."""
    picked = pick(result, query) if query else result
    shown_columns = () if query else columns
    match output or _default_format():
        case Format.JSON:
            typer.echo(as_json(picked))
        case Format.JSONC:
            _console().print_json(as_json(picked))
        case Format.YAML:
            typer.echo(_as_yaml(picked))
        case Format.YAMLC:
            from rich.syntax import Syntax

            _console().print(Syntax(_as_yaml(picked), "yaml", background_color="default"))
        case Format.TSV:
            _tsv(picked, shown_columns)
        case Format.TABLE:
            _console().print(_table(picked, shown_columns))
        case Format.NONE:
            pass


def as_json(value: Any) -> str:
    """Indented JSON; times and paths as texts."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def printable(text: str) -> str:
    """The text with control characters as escapes, so that a name cannot steer a terminal."""
    return _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), text)


def pick(result: Any, query: str) -> Any:
    """The result of a JMESPath query; an invalid query ends the command with a usage error."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, result)
    except JMESPathError as error:
        reason = " ".join(str(error).split())
        typer.echo(
            f"error: the query {query!r} is not valid: {reason}\n"
            "  Texts in a query need quotes that the shell keeps: "
            "--query \"[?status=='Completed'].run_id\"",
            err=True,
        )
        raise typer.Exit(Exit.USAGE) from error


def write_metadata(result: Any, file: Path) -> None:
    """Write a result to a new file. Raises FileExistsError."""
    with file.open("x", encoding="utf-8") as opened:
        opened.write(as_json(result) + "\n")


def _default_format() -> Format:
    return Format.TABLE if sys.stdout.isatty() else Format.JSON


def _console() -> "Console":
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def _as_yaml(picked: Any) -> str:
    import yaml

    plain = json.loads(as_json(picked))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").rstrip()


def _records(picked: Any) -> list[Mapping[str, Any]]:
    items = picked if isinstance(picked, list) else [picked]
    return [item if isinstance(item, dict) else {"value": item} for item in items]


def _tsv(picked: Any, columns: Sequence[str]) -> None:
    for item in picked if isinstance(picked, list) else [picked]:
        cells = (
            _cell(value).replace("\t", " ").replace("\n", " ") for value in _row(item, columns)
        )
        typer.echo("\t".join(cells))


def _row(item: Any, columns: Sequence[str]) -> list[Any]:
    if isinstance(item, dict):
        return [item.get(name) for name in columns or item]
    return item if isinstance(item, list) else [item]


def _table(picked: Any, columns: Sequence[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    if isinstance(picked, dict) and not columns:
        table = Table("key", "value", show_header=False, box=None, pad_edge=False)
        for key, value in picked.items():
            table.add_row(Text(printable(key)), Text(_cell(value)))
        return table
    records = _records(picked)
    names = list(columns) or list(dict.fromkeys(key for record in records for key in record))
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(Text(printable(name)))
    for record in records:
        cells = [_cell(record.get(name)) for name in names]
        # The last column may wrap, so it is not shortened.
        table.add_row(*[Text(_short(cell)) for cell in cells[:-1]], *map(Text, cells[-1:]))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return printable(json.dumps(value, ensure_ascii=False, default=str)) if value else ""
    return printable(str(value))


def _short(text: str) -> str:
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
