"""`dispatcher experiment …`"""

import typer

from dispatcher.cli.context import HERE, Folder, WorkspaceName, errors_told, workspace
from dispatcher.cli.output import Output, Query, show

app = typer.Typer(help="Experiments: what runs are grouped by.", no_args_is_help=True)


@app.command("list")
def list_experiments(
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
    query: Query = None,
) -> None:
    """All experiments of the workspace."""
    with errors_told():
        found = workspace(workspace_name, path).service.get("/experiments")["experiments"]
        show(found, output, query, ("name", "id", "created_at"))
