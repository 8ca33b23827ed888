"""`dispatcher migrate …`: checks code that was written for Azure ML v1."""

from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.cli.linting.analyzer import analyze, unreadable_finding
from dispatcher.cli.linting.findings import (
    FAILING,
    Finding,
    SupportLevel,
    in_reading_order,
    summary,
)
from dispatcher.cli.linting.sources import UnreadableFile, sources
from dispatcher.client.errors import UserErrorException

app = typer.Typer(help="Check code that was written for Azure ML v1.", no_args_is_help=True)
COLUMNS = ("place", "verdict", "call", "fix")


@app.callback()
def group() -> None:
    """Check code that was written for Azure ML v1."""


@command(app)
def lint(
    scope: CommandContext,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, or one file.")],
    only: Annotated[
        list[SupportLevel] | None, typer.Option("--only", help="Show only these verdicts.")
    ] = None,
) -> CommandResult:
    """Check every use of `azureml` in DIR: whether it is supported, and what to change if not.

    Reads .py and .ipynb files; no code is executed. Exit code 1 if something is unsupported
    or a file cannot be read, else 0.
    """
    if not folder.exists():
        raise UserErrorException(f"DIR {folder}: does not exist.")
    findings = lint_folder(folder)
    scope.note(summary(findings))
    rows = [
        {
            "place": each.place,
            "file": each.file,
            "cell": each.cell,
            "line": each.line,
            "call": each.call,
            "verdict": each.verdict.value,
            "fix": each.fix,
        }
        for each in findings
        if not only or each.verdict in only
    ]
    failing = any(each.verdict in FAILING for each in findings)
    return CommandResult(rows, COLUMNS, Exit.FAILED if failing else Exit.OK)


def lint_folder(folder: Path) -> list[Finding]:
    """All findings of a folder, by file and line."""
    findings: list[Finding] = []
    for source in sources(folder):
        if isinstance(source, UnreadableFile):
            findings.append(unreadable_finding(source))
        else:
            findings += analyze(source)
    return in_reading_order(findings)
