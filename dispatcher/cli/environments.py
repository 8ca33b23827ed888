"""`dispatcher environment …`: environments under a name and a version, and as folders of files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.submitting import streamed
from dispatcher.client.api import environments
from dispatcher.client.v1.environments import registry
from dispatcher.client.v1.environments.builds import build
from dispatcher.client.v1.environments.environment import Environment

app = typer.Typer(help="Environments: what runs are given to run in.", no_args_is_help=True)
Name = Annotated[str, typer.Option("--name", "-n", help="The environment.")]
Version = Annotated[
    str | None, typer.Option("--version", "-v", help="Its version; default: the latest.")
]
Directory = Annotated[Path, typer.Option("--directory", "-d", help="The folder of its files.")]


@command(app, "list", with_query=True)
def list_environments(scope: CommandContext) -> Shown:
    """The latest version of each registered environment."""
    records = environments.read_all(scope.service)
    return Shown([_record(each) for each in records], ("name", "version", "createdAt"))


@command(app, "show", with_query=True)
def show_environment(scope: CommandContext, name: Name, version: Version = None) -> Shown:
    """All that a registered environment says."""
    return Shown(_record(registry.view(scope.workspace, name, version)))


@command(app, "register")
def register_environment(scope: CommandContext, directory: Directory) -> Shown:
    """Register the environment of a folder; unchanged, it keeps its version."""
    registered = Environment.load_from_directory(str(directory)).register(scope.workspace)
    return Shown(_record(registry.view(scope.workspace, registered.name, registered.version)))


@command(app, "download")
def download_environment(
    scope: CommandContext,
    name: Name,
    directory: Directory,
    version: Version = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also into a folder that is there.")
    ] = False,
) -> None:
    """Write a registered environment as a folder of files."""
    environment = Environment.get(scope.workspace, name, version)
    environment.save_to_directory(str(directory), overwrite=overwrite)
    scope.note(f"{name}, version {environment.version}, is in {directory}")


@command(app, "scaffold")
def scaffold_environment(scope: CommandContext, name: Name, directory: Directory) -> None:
    """Write the files of a new environment, to be changed and registered."""
    Environment(name).save_to_directory(str(directory))
    scope.note(f"the files of {name} are in {directory}")


@command(app, "build")
def build_environment(
    scope: CommandContext,
    name: Name,
    version: Version = None,
    target: Annotated[
        str, typer.Option("--target", help="The target that builds it, for its own runs.")
    ] = "local",
) -> Shown:
    """Have a target build a registered environment now, and show its log."""
    environment = Environment.get(scope.workspace, name, version)
    return streamed(build(environment, scope.workspace, target).run)


def _record(view: Mapping[str, Any]) -> dict[str, Any]:
    """An environment in v1's shape: its definition, under its name and version."""
    named = {"name": view["name"], "version": view["version"], "createdAt": view["created_at"]}
    return {**view["definition"], **named}
