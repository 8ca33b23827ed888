"""The code of a folder: Python files, and the code cells of notebooks. Nothing is executed.

A file that cannot be read becomes an `UnreadableFile`; the following files are read all the same.
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

MAX_BYTES = {".py": 2 * 1024 * 1024, ".ipynb": 50 * 1024 * 1024}  # notebooks contain images
SKIPPED = frozenset(
    {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"}
)
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[^#'\"\n]*\?{1,2}\s*)$")
_OTHER_LANGUAGE = re.compile(
    r"\s*%%(?:bash|sh|script|html|javascript|js|latex|markdown|perl|ruby|svg|sql|writefile|R)\b"
)
_WRITEFILE = re.compile(r"\s*%%writefile\s[^\n]*\.py['\"]?\s*\n")
_WHOLE_CELL = re.compile(r"^\s*%%.*$", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """The Python code of a file, or of a cell of a notebook."""

    file: str
    text: str
    cell: int | None = None


@dataclass(frozen=True)
class UnreadableFile:
    """A file that cannot be checked, and the reason."""

    file: str
    reason: str
    cell: int | None = None
    line: int = 1


def sources(root: Path) -> Iterator[list[Source] | UnreadableFile]:
    """The programs below a folder, each as its sources in the order in which they run.

    A Python file is a program, a notebook is one, and so is each Python file that a notebook writes
    with `%%writefile`.
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
            yield UnreadableFile(name, " ".join(str(reason).split())[:300])


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root
        return
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in SKIPPED and name[0] != "."
        )
        for name in names:
            if name.endswith(tuple(MAX_BYTES)):
                yield Path(folder, name)


def _text(path: Path) -> str:
    """The text of a regular file, decoded as Python would decode it."""
    max_bytes = MAX_BYTES.get(path.suffix)
    if max_bytes is None:
        raise ValueError("it is neither .py nor .ipynb")
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size > max_bytes:
        raise ValueError(f"it has {status.st_size} bytes; the limit is {max_bytes}")
    data = path.read_bytes()
    if b"\0" in data:
        raise ValueError("it is binary: it contains NUL bytes")
    encoding = "utf-8-sig"
    if path.suffix == ".py":
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _programs(file: str, text: str) -> Iterator[list[Source]]:
    """The cells of a notebook as one program, then each Python file that a cell writes."""
    cells = _cells(file, text)
    yield [Source(file, _without_magics(cell.text), cell.cell) for cell in cells]
    for cell in cells:
        magic = _WRITEFILE.match(cell.text)
        if magic is not None:
            lines = magic[0].count("\n")
            yield [Source(file, "\n" * lines + cell.text[magic.end() :], cell.cell)]


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
        raise ValueError("it is not a notebook: it has no cells")
    sources = []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        code = cell.get("source", cell.get("input", ""))
        lines = "".join(map(str, code)) if isinstance(code, list) else str(code)
        sources.append(Source(file, lines, number))
    return sources


def _without_magics(code: str) -> str:
    """The Python code of a cell; magics and shell lines become `pass`, so line numbers stay."""
    if _OTHER_LANGUAGE.match(code):
        return ""
    code = _WHOLE_CELL.sub("", code, count=1) if code.lstrip().startswith("%%") else code
    return "\n".join(_MAGIC.sub(r"\1pass", line) for line in code.split("\n"))
