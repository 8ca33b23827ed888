"""The parts of every command: its options, its output, its errors.

A command is a function of a `CommandContext` and of its own parameters. It returns a
`CommandResult`, or None. `command` adds the options of `OPTIONS`, creates the context, prints the
result and turns errors into exit codes.
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

Command = Callable[..., "CommandResult | None"]

OUTPUT_VARIABLE = "DISPATCHER_OUTPUT"
_PANEL = "Common options"
_REST = {"allow_interspersed_args": False}


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        value: The value that is printed, after `--query`.
        columns: The columns of a table of it; empty means all.
        code: The exit code.
        only_on_request: Print it only with `-o` or `--query`, because the command prints a log.
    """

    value: Any
    columns: Sequence[str] = ()
    code: Exit = Exit.OK
    only_on_request: bool = False


def _option(*names: str, help: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, **settings)


def _options(
    path: Annotated[Path, _option("--path", help="Folder; the command uses its workspace.")] = HERE,
    workspace_name: Annotated[
        str | None,
        _option("--workspace-name", "-w", help="Workspace by name, instead of by folder."),
    ] = None,
    resource_group: Annotated[
        str | None,
        _option("--resource-group", "-g", help="v1's option; a note says if it differs."),
    ] = None,
    subscription_id: Annotated[
        str | None,
        _option(
            "--subscription-id", "--subscription", help="v1's option; a note says if it differs."
        ),
    ] = None,
    output: Annotated[
        Format | None,
        _option(
            "--output",
            "-o",
            help="Output format; default: table at a terminal, else json.",
            case_sensitive=False,
            envvar=OUTPUT_VARIABLE,
            show_envvar=False,
        ),
    ] = None,
    query: Annotated[str | None, _option("--query", help="JMESPath query on the result.")] = None,
    metadata_file: Annotated[
        Path | None,
        _option("--output-metadata-file", "-t", help="Write the result to a new file, too."),
    ] = None,
    quiet: Annotated[bool, _option("--only-show-errors", help="Print no notes on stderr.")] = False,
    verbose: Annotated[
        bool, _option("--verbose", help="az's option; no effect.", hidden=True)
    ] = False,
    debug: Annotated[bool, _option("--debug", help="az's option; no effect.", hidden=True)] = False,
) -> None:
    """The options of every command; `CommandContext` has their values."""


OPTIONS = [
    each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for each in inspect.signature(_options).parameters.values()
]
QUERY_ARGUMENTS = inspect.Parameter(
    "query_arguments",
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
    """Register a function `(scope, …)` as a command, with the common options.

    Args:
        app: The group.
        name: The command's name; default: the function's.
        with_query: The command accepts a query as arguments, without `--query`.
        takes_rest: Options after the first argument are passed on as arguments.
        **settings: Typer's own.
    """

    def register(function: Command) -> Command:
        own = list(inspect.signature(function).parameters.values())[1:]
        own_names = {each.name for each in own}
        shared = [each for each in OPTIONS if each.name not in own_names]
        extra = [QUERY_ARGUMENTS] if with_query else []
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]

        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            options = {each.name: arguments.pop(each.name) for each in shared}
            query_arguments = arguments.pop("query_arguments", None) or ()
            with errors_reported():
                scope = _scope(options, query_arguments)
                result = function(scope, **arguments)
                if result is not None:
                    _print(scope, result)
            if result is not None and result.code:
                raise typer.Exit(result.code)

        signature = inspect.Signature([*parameters, *extra, *shared])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
        if takes_rest:
            settings["context_settings"] = _REST
        app.command(name, **settings)(run)
        return function

    return register


def _scope(options: dict[str, Any], query_arguments: Sequence[str]) -> CommandContext:
    has_verbosity = options.pop("verbose") or options.pop("debug")
    options.pop("debug", None)
    scope = CommandContext(**options)
    scope.query = queries.join_query(query_arguments, scope.query)
    if has_verbosity:
        scope.note("--verbose and --debug have no effect here; see the service's log")
    file = scope.metadata_file
    if file is not None and file.exists():
        raise UserErrorException(f"--output-metadata-file {file} exists already.")
    if file is not None and not file.parent.is_dir():
        raise UserErrorException(f"--output-metadata-file {file}: its folder does not exist.")
    return scope


def _print(scope: CommandContext, result: CommandResult) -> None:
    if scope.metadata_file is not None:
        output.write_metadata(result.value, scope.metadata_file)
    if scope.wants_result or not result.only_on_request:
        output.show(result.value, scope.output, scope.query, result.columns)
