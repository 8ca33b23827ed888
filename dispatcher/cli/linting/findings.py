"""The results of linting: one finding for each place where code meets `azureml`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class SupportLevel(StrEnum):
    SUPPORTED = "supported"
    APPROXIMATED = "approximated"  # it works, and differs in what the fix says
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"  # the file, not a call


BAD = frozenset({SupportLevel.UNSUPPORTED, SupportLevel.UNREADABLE})


@dataclass(frozen=True, order=True)
class Finding:
    """One judgement.

    Attributes:
        file: The file, relative to the folder that was looked through.
        cell: The notebook's cell, counted from 1; None in a plain file.
        line: The line, in the file or in the cell.
        call: What is used, under its v1 name.
        verdict: How well it is supported.
        fix: What to do; empty if nothing.
    """

    file: str
    cell: int | None
    line: int
    call: str
    verdict: SupportLevel
    fix: str = ""

    @property
    def place(self) -> str:
        """`train.py:7`, or `nb.ipynb:cell 3:7`."""
        cell = f"cell {self.cell}:" if self.cell is not None else ""
        return f"{self.file}:{cell}{self.line}"


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By file, cell and line; what is said twice of one line is said once."""
    return sorted(set(findings), key=lambda f: (f.file, f.cell or 0, f.line, f.call, f.verdict))


def summary(findings: Iterable[Finding]) -> str:
    """How many of each, in words."""
    counts = Counter(each.verdict for each in findings)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in SupportLevel)
