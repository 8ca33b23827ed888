"""The results of linting: one finding for each use of `azureml`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class SupportLevel(StrEnum):
    SUPPORTED = "supported"
    APPROXIMATED = "approximated"  # works, with the difference that the fix describes
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"  # of a file, not of a call


FAILING = frozenset({SupportLevel.UNSUPPORTED, SupportLevel.UNREADABLE})


@dataclass(frozen=True, order=True)
class Finding:
    """One use of `azureml`, or a file that cannot be read.

    Attributes:
        file: The file, relative to the folder that is checked.
        cell: The notebook's cell, counted from 1; None in a plain file.
        line: The line, in the file or in the cell.
        call: The v1 name that is used; empty for a file.
        verdict: How well the call is supported.
        fix: What to change; empty if nothing.
    """

    file: str
    cell: int | None
    line: int
    call: str
    verdict: SupportLevel
    fix: str = ""

    @property
    def place(self) -> str:
        """File and line: `train.py:7`, or `nb.ipynb:cell 3:7`."""
        cell = f"cell {self.cell}:" if self.cell is not None else ""
        return f"{self.file}:{cell}{self.line}"


def in_reading_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by file, cell and line, without duplicates."""
    return sorted(set(findings), key=lambda f: (f.file, f.cell or 0, f.line, f.call, f.verdict))


def summary(findings: Iterable[Finding]) -> str:
    """The number of findings of each level, as text."""
    counts = Counter(each.verdict for each in findings)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in SupportLevel)
