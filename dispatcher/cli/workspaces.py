"""`dispatcher workspace …`: the workspaces of this machine."""
# ruff: noqa: ARG001  (the flags are v1's)

from typing import Annotated, Any

import typer

from dispatcher.cli import unsupported
from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.workspaces.workspace import Workspace

app = typer.Typer(help="Workspaces of this machine.", no_args_is_help=True)
unsupported.register(app, unsupported.WORKSPACE, "workspace ")
COLUMNS = ("name", "resourceGroup", "location", "folder")


@command(app)
def create(
    scope: CommandContext,
    service_url: Annotated[str | None, typer.Option(help="Use a running service.")] = None,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="Accept an existing workspace.")
    ] = False,
    location: Annotated[str | None, typer.Option("--location", "-l", hidden=True)] = None,
    friendly_name: Annotated[str | None, typer.Option("--friendly-name", "-f", hidden=True)] = None,
    sku: Annotated[str | None, typer.Option("--sku", hidden=True)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", hidden=True)] = False,
) -> CommandResult:
    """Create a workspace; `folder attach` attaches a folder to it."""
    if not scope.workspace_name:
        raise UserErrorException("Which name? Give --workspace-name/-w.")
    if set(scope.workspace_name) & set("/\\\0") or scope.workspace_name in (".", ".."):
        raise UserErrorException(f"--workspace-name {scope.workspace_name!r} is not a valid name.")
    scope.note_ignored(location=location, friendly_name=friendly_name, sku=sku)
    workspace = Workspace.create(
        scope.workspace_name,
        subscription_id=scope.subscription_id,
        resource_group=scope.resource_group,
        service_url=service_url,
        exist_ok=exist_ok,
    )
    return CommandResult(_facts(workspace))


@command(app, "show")
def show_workspace(scope: CommandContext) -> CommandResult:
    """The workspace of the folder, or the one that -w names."""
    return CommandResult({**_facts(scope.workspace), **scope.workspace.get_details()})


@command(app, "list", with_query=True)
def list_workspaces(scope: CommandContext) -> CommandResult:
    """All workspaces of this machine."""
    workspaces = Workspace.list(scope.subscription_id, resource_group=scope.resource_group)
    return CommandResult(
        [_facts(each) for namesakes in workspaces.values() for each in namesakes], COLUMNS
    )


@command(app)
def delete(
    scope: CommandContext,
    everything: Annotated[
        bool, typer.Option("--all-resources", help="Delete its runs and files, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", hidden=True)] = False,
) -> None:
    """Unregister the workspace of -w, and end its runs, its service and the agents of this machine.

    With --all-resources its data are deleted, too.
    """
    if not scope.workspace_name:
        raise UserErrorException("Which name? Give --workspace-name/-w.")
    workspace = scope.workspace
    if everything and not yes:
        question = f"Delete {workspace.data_folder} with all runs, also those that have not ended?"
        typer.confirm(question, abort=True, err=True)
    workspace._delete(everything, cancel_runs=True)
    typer.echo(f"{workspace.name} is deleted")


def _facts(workspace: Workspace) -> dict[str, Any]:
    return {
        "name": workspace.name,
        "resourceGroup": workspace.resource_group,
        "subscriptionId": workspace.subscription_id,
        "location": workspace.location,
        "folder": workspace.data_folder,
    }
