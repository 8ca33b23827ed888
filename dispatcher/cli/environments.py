"""`dispatcher environment …`: environments under a name and a version, and as folders of files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.submitting import stream_log
from dispatcher.client.api import environments
from dispatcher.client.v1.environments import registry
from dispatcher.client.v1.environments.builds import build
from dispatcher.client.v1.environments.environment import Environment

app = typer.Typer(help="Environments of runs: packages, interpreter, image.", no_args_is_help=True)
Name = Annotated[str, typer.Option("--name", "-n", help="The environment.")]
Version = Annotated[
    str | None, typer.Option("--version", "-v", help="Its version; default: the latest.")
]
Directory = Annotated[Path, typer.Option("--directory", "-d", help="The folder of its files.")]


@command(app, "list", with_query=True)
def list_environments(scope: CommandContext) -> CommandResult:
    """The latest version of each registered environment."""
    records = environments.read_all(scope.service)
    return CommandResult([_record(each) for each in records], ("name", "version", "createdAt"))


@command(app, "show", with_query=True)
def show_environment(scope: CommandContext, name: Name, version: Version = None) -> CommandResult:
    """Show a registered environment."""
    return CommandResult(_record(registry.view(scope.workspace, name, version)))


@command(app, "register")
def register_environment(scope: CommandContext, directory: Directory) -> CommandResult:
    """Register the environment of a folder; without a change it keeps its version."""
    registered = Environment.load_from_directory(str(directory)).register(scope.workspace)
    return CommandResult(
        _record(registry.view(scope.workspace, registered.name, registered.version))
    )


@command(app, "download")
def download_environment(
    scope: CommandContext,
    name: Name,
    directory: Directory,
    version: Version = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the files of an existing folder.")
    ] = False,
) -> None:
    """Write a registered environment as a folder of files."""
    environment = Environment.get(scope.workspace, name, version)
    environment.save_to_directory(str(directory), overwrite=overwrite)
    scope.note(f"{name}, version {environment.version}, is in {directory}")


@command(app, "scaffold")
def scaffold_environment(scope: CommandContext, name: Name, directory: Directory) -> None:
    """Write the files of a new environment, to edit and register."""
    Environment(name).save_to_directory(str(directory))
    scope.note(f"the files of {name} are in {directory}")


@command(app, "build")
def build_environment(
    scope: CommandContext,
    name: Name,
    version: Version = None,
    target: Annotated[
        str, typer.Option("--target", help="The target that builds it for its runs.")
    ] = "local",
) -> CommandResult:
    """Build a registered environment on a target now, and show the log."""
    environment = Environment.get(scope.workspace, name, version)
    return stream_log(build(environment, scope.workspace, target).run)


def _record(view: Mapping[str, Any]) -> dict[str, Any]:
    """An environment in v1's shape: its definition, under its name and version."""
    identity = {"name": view["name"], "version": view["version"], "createdAt": view["created_at"]}
    return {**view["definition"], **identity}
