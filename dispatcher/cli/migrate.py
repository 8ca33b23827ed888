"""`dispatcher migrate …`: what to change before code of Azure ML v1 runs here."""

from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.cli.linting.findings import BAD, Finding, SupportLevel, in_order, summary
from dispatcher.cli.linting.reading import read, unreadable
from dispatcher.cli.linting.sources import Unreadable, sources
from dispatcher.client.errors import UserErrorException

app = typer.Typer(help="Bring code of Azure ML v1 here.", no_args_is_help=True)
COLUMNS = ("place", "verdict", "call", "fix")


@app.callback()
def group() -> None:
    """Bring code of Azure ML v1 here."""


@command(app)
def lint(
    scope: CommandContext,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, or one file.")],
    only: Annotated[
        list[SupportLevel] | None, typer.Option("--only", help="Show these verdicts alone.")
    ] = None,
) -> Shown:
    """Say of every use of `azureml` in DIR whether it works here, and what to do if not.

    Reads .py and .ipynb files; nothing of them is executed. Exit code 1 if something is unsupported
    or a file cannot be read, else 0.
    """
    if not folder.exists():
        raise UserErrorException(f"DIR {folder}: there is no such file or folder.")
    findings = look_through(folder)
    scope.note(summary(findings))
    shown = [
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
    bad = any(each.verdict in BAD for each in findings)
    return Shown(shown, COLUMNS, Exit.FAILED if bad else Exit.OK)


def look_through(folder: Path) -> list[Finding]:
    """All findings of a folder, in order."""
    findings: list[Finding] = []
    for each in sources(folder):
        findings += [unreadable(each)] if isinstance(each, Unreadable) else read(each)
    return in_order(findings)
