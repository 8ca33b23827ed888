"""The code of a folder: Python files, and the code cells of notebooks. Nothing is executed.

What cannot be read is an `Unreadable`, whatever is in the file: there is always a next one.
"""

import io
import json
import os
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

MAX_BYTES = {".py": 2 * 1024 * 1024, ".ipynb": 50 * 1024 * 1024}  # notebooks hold pictures
SKIPPED = frozenset(
    {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"}
)
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[^#'\"\n]*\?{1,2}\s*)$")
_OTHER_LANGUAGE = re.compile(
    r"\s*%%(?:bash|sh|script|html|javascript|js|latex|markdown|perl|ruby|svg|sql|writefile|R)\b"
)
_WRITTEN = re.compile(r"\s*%%writefile\s[^\n]*\.py['\"]?\s*\n")
_WHOLE_CELL = re.compile(r"^\s*%%.*$", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """Python text: a file, or a cell of a notebook."""

    file: str
    text: str
    cell: int | None = None


@dataclass(frozen=True)
class Unreadable:
    """A file, and why nothing can be said of it."""

    file: str
    reason: str
    cell: int | None = None
    line: int = 1


def sources(root: Path) -> Iterator[list[Source] | Unreadable]:
    """Each program below the folder, in the order in which it runs; or what is wrong with a file.

    A notebook is a program, and so is each Python file that it writes with `%%writefile`.
    """
    for path in sorted(_files(root)):
        name = str(path.relative_to(root)) if path != root else path.name
        try:
            text = _text(path)
            if path.suffix == ".ipynb":
                yield from _programs(name, text)
            else:
                yield [Source(name, text)]
        except (OSError, ValueError, SyntaxError, RecursionError, LookupError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            yield Unreadable(name, " ".join(str(reason).split())[:300])


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root
        return
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if name not in SKIPPED and name[0] != ".")
        for name in names:
            if name.endswith(tuple(MAX_BYTES)):
                yield Path(folder, name)


def _text(path: Path) -> str:
    """The text of a regular file, in the encoding that Python would read it with."""
    most = MAX_BYTES.get(path.suffix)
    if most is None:
        raise ValueError("it is neither .py nor .ipynb")
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > most:
        raise ValueError(f"it has {status.st_size} bytes; {most} are read at most")
    data = path.read_bytes()
    if b"\0" in data:
        raise ValueError("it is binary: it holds NUL bytes")
    encoding = "utf-8-sig"
    if path.suffix == ".py":
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _programs(file: str, text: str) -> Iterator[list[Source]]:
    """The cells of a notebook together, then each file that a cell writes."""
    cells = _cells(file, text)
    yield [Source(file, _plain(cell.text), cell.cell) for cell in cells]
    for cell in cells:
        head = _WRITTEN.match(cell.text)
        if head is not None:
            lines = head[0].count("\n")
            yield [Source(file, "\n" * lines + cell.text[head.end() :], cell.cell)]


def _cells(file: str, text: str) -> list[Source]:
    notebook = json.loads(text)
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if (
        cells is None
        and isinstance(notebook, dict)
        and isinstance(notebook.get("worksheets"), list)
    ):
        cells = [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", ())]
    if not isinstance(cells, list):
        raise ValueError("it is no notebook: it has no cells")
    sources = []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        code = cell.get("source", cell.get("input", ""))
        lines = "".join(map(str, code)) if isinstance(code, list) else str(code)
        sources.append(Source(file, lines, number))
    return sources


def _plain(code: str) -> str:
    """The Python of a cell; magics and shell lines become `pass`, so lines keep their numbers."""
    if _OTHER_LANGUAGE.match(code):
        return ""
    code = _WHOLE_CELL.sub("", code, count=1) if code.lstrip().startswith("%%") else code
    return "\n".join(_MAGIC.sub(r"\1pass", line) for line in code.split("\n"))
