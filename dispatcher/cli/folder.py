"""`dispatcher folder …`: which workspace a folder belongs to, and its sample files."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from dispatcher.cli import attached
from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.client.api import targets
from dispatcher.client.errors import UserErrorException, WorkspaceException
from dispatcher.client.v1.workspaces import config as workspace_config
from dispatcher.client.v1.workspaces import registry
from dispatcher.client.v1.workspaces.experiment import check_experiment_name
from dispatcher.client.v1.workspaces.workspace import Workspace

app = typer.Typer(help="Folders and their workspaces.", no_args_is_help=True)


@command(app)
def attach(
    scope: CommandContext,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment-name", "-e", help="Experiment of its runs; default: its name."),
    ] = None,
    service_url: Annotated[str | None, typer.Option(help="Use a running service.")] = None,
) -> CommandResult:
    """Attach a folder to a workspace and write sample files; create a missing workspace.

    It writes .azureml/config.json, the run configurations `local`, `docker`, `sklearn` and one a
    compute target, conda_dependencies.yml and .amlignore. Existing files stay as they are.
    """
    folder = scope.folder
    if folder.exists() and not folder.is_dir():
        raise UserErrorException(f"--path {scope.path} is a file.")
    folder.mkdir(parents=True, exist_ok=True)
    name = scope.workspace_name or folder.name
    if not name or set(name) & set("/\\\0") or name in (".", ".."):
        raise UserErrorException(f"--workspace-name {name!r} is not a valid name.")
    if experiment is not None:
        check_experiment_name(experiment)
    workspace, targets = _known_workspace(scope, name, service_url) or (
        _workspace(scope, name, str(folder), service_url),
        [],
    )
    workspace.write_config(str(folder))
    if experiment is not None:
        attached.remember_experiment(folder, experiment)
    written = attached.write_samples(folder, targets)
    if written:
        scope.note(f"wrote {', '.join(written)}")
    return CommandResult(
        {
            "Experiment name": experiment or folder.name,
            "Subscription id": workspace.subscription_id,
            "Resource group": workspace.resource_group,
            "Workspace name": workspace.name,
        }
    )


@command(app)
def detach(scope: CommandContext) -> CommandResult:
    """Detach a folder from its workspace: delete its config.json and nothing else."""
    folder = scope.folder
    file = folder / ".azureml" / "config.json"
    if not file.is_file():
        raise UserErrorException(f"{folder} is not attached: it has no .azureml/config.json.")
    config = workspace_config.read(str(file))
    registry.keep_without(config, str(folder))
    file.unlink()
    return CommandResult({"Folder": str(folder), "Workspace name": config.name})


def _known_workspace(
    scope: CommandContext, name: str, service_url: str | None
) -> tuple[Workspace, Sequence[Mapping[str, Any]]] | None:
    """The existing workspace with the name, and its targets; None if there is none."""
    if not scope.workspace_name:
        return None
    try:
        workspace = Workspace.get(name)
    except WorkspaceException:
        return None
    if service_url not in (None, workspace.location):
        raise UserErrorException(
            f"Workspace {name!r} is served by {workspace.location}, not by {service_url}; "
            "choose another name, or omit --service-url."
        )
    scope.note_address(workspace)
    return workspace, targets.read_all(workspace.service)


def _workspace(scope: CommandContext, name: str, folder: str, service_url: str | None) -> Workspace:
    return Workspace.create(
        name,
        subscription_id=scope.subscription_id,
        resource_group=scope.resource_group,
        service_url=service_url,
        path=folder,
        exist_ok=True,
    )
