"""The parts of every command: its options, its output, its errors.

A command is a function of a `CommandContext` and of its own parameters. It returns what is to be
shown, or None. `command` adds the options of `OPTIONS`, makes the context, prints the result and
turns errors into exit codes.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli import output, queries
from dispatcher.cli.context import HERE, CommandContext, errors_reported
from dispatcher.cli.exits import Exit
from dispatcher.cli.output import Format
from dispatcher.client.errors import UserErrorException

Command = Callable[..., "Shown | None"]

OUTPUT_VARIABLE = "DISPATCHER_OUTPUT"
_PANEL = "Common options"
_REST = {"allow_interspersed_args": False}


@dataclass(frozen=True)
class Shown:
    """What a command found.

    Attributes:
        value: The result: what `--query` picks from.
        columns: What a table shows of it.
        code: How the command ends.
        if_asked: Print only if `-o` or `--query` asks for it: the user has seen a log instead.
    """

    value: Any
    columns: Sequence[str] = ()
    code: Exit = Exit.OK
    if_asked: bool = False


def _option(*names: str, help: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, **settings)


def _options(
    path: Annotated[Path, _option("--path", help="Folder whose workspace is meant.")] = HERE,
    workspace_name: Annotated[
        str | None, _option("--workspace-name", "-w", help="Workspace by name, not by folder.")
    ] = None,
    resource_group: Annotated[
        str | None, _option("--resource-group", "-g", help="v1's; noted if it differs.")
    ] = None,
    subscription_id: Annotated[
        str | None,
        _option("--subscription-id", "--subscription", help="v1's; noted if it differs."),
    ] = None,
    output: Annotated[
        Format | None,
        _option(
            "--output",
            "-o",
            help="How to print; default: table at a terminal, else json.",
            case_sensitive=False,
            envvar=OUTPUT_VARIABLE,
            show_envvar=False,
        ),
    ] = None,
    query: Annotated[
        str | None, _option("--query", help="JMESPath to pick from the result.")
    ] = None,
    metadata_file: Annotated[
        Path | None,
        _option("--output-metadata-file", "-t", help="Write the result there, too; a new file."),
    ] = None,
    quiet: Annotated[bool, _option("--only-show-errors", help="No notes on stderr.")] = False,
    verbose: Annotated[bool, _option("--verbose", help="az's; no effect.", hidden=True)] = False,
    debug: Annotated[bool, _option("--debug", help="az's; no effect.", hidden=True)] = False,
) -> None:
    """The options of every command; `CommandContext` has what they say."""


OPTIONS = [
    each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for each in inspect.signature(_options).parameters.values()
]
WORDS = inspect.Parameter(
    "words",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUERY]", help="JMESPath, as --query; quote it for the shell."),
    ],
)


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    with_query: bool = False,
    takes_rest: bool = False,
    **settings: Any,
) -> Callable[[Command], Command]:
    """Register a function `(scope, …)` as a command with the options that all have.

    Args:
        app: The group.
        name: The command's name; default: the function's.
        with_query: A query may stand after the command without `--query`.
        takes_rest: The words after the first argument are passed on unread.
        **settings: Typer's own.
    """

    def register(function: Command) -> Command:
        own = list(inspect.signature(function).parameters.values())[1:]
        taken = {each.name for each in own}
        shared = [each for each in OPTIONS if each.name not in taken]
        extra = [WORDS] if with_query else []
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]

        @functools.wraps(function)
        def run(**given: Any) -> None:
            told = {each.name: given.pop(each.name) for each in shared}
            words = given.pop("words", None) or ()
            with errors_reported():
                scope = _scope(told, words)
                shown = function(scope, **given)
                if shown is not None:
                    _print(scope, shown)
            if shown is not None and shown.code:
                raise typer.Exit(shown.code)

        signature = inspect.Signature([*parameters, *extra, *shared])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
        if takes_rest:
            settings["context_settings"] = _REST
        app.command(name, **settings)(run)
        return function

    return register


def _scope(options: dict[str, Any], words: Sequence[str]) -> CommandContext:
    noisy = options.pop("verbose") or options.pop("debug")
    options.pop("debug", None)
    scope = CommandContext(**options)
    scope.query = queries.joined(words, scope.query)
    if noisy:
        scope.note("--verbose and --debug have no effect here; see the service's log")
    file = scope.metadata_file
    if file is not None and file.exists():
        raise UserErrorException(f"--output-metadata-file {file} is there already.")
    if file is not None and not file.parent.is_dir():
        raise UserErrorException(f"--output-metadata-file {file}: its folder is not there.")
    return scope


def _print(scope: CommandContext, shown: Shown) -> None:
    if scope.metadata_file is not None:
        output.write_metadata(shown.value, scope.metadata_file)
    if scope.wants_result or not shown.if_asked:
        output.show(shown.value, scope.output, scope.query, shown.columns)
