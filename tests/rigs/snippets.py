"""The code of a document, and a notebook of sorts that executes the Python of it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Snippet:
    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Cell:
    """What a cell printed, and the values of its bare expressions as texts."""

    out: str
    values: list[str]


def snippets(document: Path, *languages: str) -> list[Snippet]:
    """The fenced code of a Markdown document in these languages, in order."""
    text = document.read_text(encoding="utf-8")
    found = [
        Snippet(match[2].strip(), match[3], text[: match.start()].count("\n") + 1)
        for match in _FENCE.finditer(text)
    ]
    return [each for each in found if (each.language.split() or [""])[0].lower() in languages]


def cells(path: Path) -> list[Cell]:
    """What `python -m tests.rigs.notebook` wrote."""
    return [Cell(**told) for told in json.loads(path.read_text(encoding="utf-8"))]
