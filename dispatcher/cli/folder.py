"""`dispatcher folder attach`: make a folder a workspace's, with sample files."""

from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.context import HERE, errors_told
from dispatcher.cli.output import Output, show
from dispatcher.client.workspace import Workspace

app = typer.Typer(help="Folders and the workspace that they belong to.", no_args_is_help=True)
IGNORED = """\
.ipynb_checkpoints
azureml-logs
.azureml
.dispatcher
.git
outputs
"""


@app.callback()
def group() -> None:
    """Folders and the workspace that they belong to."""


@app.command()
def attach(
    workspace_name: Annotated[
        str | None, typer.Option("--workspace-name", "-w", help="Default: the folder's name.")
    ] = None,
    resource_group: Annotated[str | None, typer.Option("--resource-group", "-g")] = None,
    subscription_id: Annotated[str | None, typer.Option()] = None,
    experiment: Annotated[str | None, typer.Option("--experiment-name", "-e")] = None,
    service_url: Annotated[str | None, typer.Option(help="Use a running service.")] = None,
    path: Annotated[Path, typer.Option(help="The folder; made if it is not there.")] = HERE,
    output: Output = None,
) -> None:
    """Make a folder (part of) a workspace: .azureml/config.json and .amlignore."""
    folder = path.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with errors_told():
        ws = Workspace.create(
            workspace_name or folder.name,
            subscription_id=subscription_id,
            resource_group=resource_group,
            service_url=service_url,
            path=str(folder),
            exist_ok=True,
        )
        ws.write_config(str(folder))
        ignore = folder / ".amlignore"
        if not ignore.exists():
            ignore.write_text(IGNORED)
        show(
            {
                "Experiment name": experiment or folder.name,
                "Subscription id": ws.subscription_id,
                "Resource group": ws.resource_group,
                "Workspace name": ws.name,
            },
            output,
            None,
        )
