"""`dispatcher runconfig …`: the *.runconfig files of a folder. v1 had no such group."""

from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.files import to_dict
from dispatcher.client.v1.configs.run_configuration import RunConfiguration

app = typer.Typer(help="Run configuration files: *.runconfig.", no_args_is_help=True)
FOLDERS = (".azureml", "aml_config")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Without .runconfig, or a file.")]


@command(app, "list", with_query=True)
def list_configurations(scope: CommandContext) -> CommandResult:
    """The run configurations of the folder: name, file, target, script."""
    files = [
        file for folder in FOLDERS for file in sorted((scope.path / folder).glob("*.runconfig"))
    ]
    configs = [(file, RunConfiguration.load(str(file))) for file in files]
    rows = [
        {"name": file.stem, "file": str(file), "target": config.target, "script": config.script}
        for file, config in configs
    ]
    return CommandResult(rows, ("name", "target", "script", "file"))


@command(app, "show")
def show_configuration(scope: CommandContext, name: Name) -> CommandResult:
    """Show a run configuration with all defaults; exit code 2 if it is not valid."""
    return CommandResult(to_dict(_load(scope.path, name)))


@command(app, "delete")
def delete_configuration(scope: CommandContext, name: Name) -> None:
    """Delete a run configuration's file."""
    RunConfiguration.delete(str(scope.path), name)
    typer.echo(f"{name} is deleted")


def _load(folder: Path, name: str) -> RunConfiguration:
    file = Path(name)
    if file.suffix == ".runconfig" and file.is_file():
        return RunConfiguration.load(str(file))
    if not folder.is_dir():
        raise UserErrorException(f"--path {folder} is not a folder.")
    return RunConfiguration.load(str(folder), name)
