"""`dispatcher run …`: look at runs and act on them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.context import HERE, Folder, WorkspaceName, errors_told, workspace
from dispatcher.cli.exits import BY_STATUS, Exit
from dispatcher.cli.output import Format, Output, Query, show
from dispatcher.cli.tree import follow, print_tree
from dispatcher.client.config import RunConfiguration
from dispatcher.client.experiment import Experiment
from dispatcher.client.run import Run
from dispatcher.client.script_run_config import ScriptRunConfig

app = typer.Typer(help="Submit runs, look at them, act on them.", no_args_is_help=True)
COLUMNS = ("id", "status", "target", "display_name", "started_at", "ended_at")
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
OLD_RUN = Annotated[str | None, typer.Option("--run", "-r", hidden=True)]
_ANY = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@app.command("submit-script", context_settings=_ANY)
def submit_script(
    script: Annotated[str, typer.Argument(help="The script, below the source directory.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="What the script is given.")] = None,
    configuration: Annotated[
        str | None, typer.Option("--run-configuration-name", "-c", help="A .runconfig by name.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment-name", "-e", help="Default: the folder's name.")
    ] = None,
    source_directory: Annotated[Path, typer.Option(help="What the script is run from.")] = HERE,
    target: Annotated[
        str | None, typer.Option("--target", "--ct", help="Compute target; default: local.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs of the run.")] = None,
    cpus: Annotated[float | None, typer.Option(help="CPUs of the run.")] = None,
    go_on: Annotated[bool, typer.Option("--async", help="Do not wait, print the run.")] = False,
    workspace_name: WorkspaceName = None,
    output: Output = None,
    query: Query = None,
) -> None:
    """Submit SCRIPT, stream its output, and exit as it did."""
    with errors_told():
        ws = workspace(workspace_name, source_directory)
        name = experiment or source_directory.resolve().name
        config = (
            RunConfiguration.load(str(source_directory), configuration)
            if configuration
            else RunConfiguration()
        )
        for field, value in (("target", target), ("gpus", gpus), ("cpus", cpus)):
            if value is not None:
                setattr(config, field, value)
        source = ScriptRunConfig(
            str(source_directory), script=script, arguments=arguments or [], run_config=config
        )
        run = Experiment(ws, name).submit(source)
        if go_on:
            show(_record(run), output, query)
            return
        raise typer.Exit(_stream(run))


@app.command("list")
def list_runs(
    experiment: Annotated[str | None, typer.Option("--experiment-name", "-e")] = None,
    last: Annotated[int, typer.Option(help="How many, newest first.")] = 10,
    status: Annotated[str | None, typer.Option(help="Only of this status.")] = None,
    target: Annotated[str | None, typer.Option("--compute-target-name")] = None,
    parent: Annotated[str | None, typer.Option("--parent-run-id")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="key or key=value.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Children too.")] = False,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
    query: Query = None,
) -> None:
    """List runs, newest first."""
    with errors_told():
        pairs: list[tuple[str, Any]] = [("limit", min(last, 1000))]
        for key, value in (
            ("experiment", experiment),
            ("status", status),
            ("target", target),
            ("parent", parent),
            ("include_children", "true" if everything else None),
        ):
            if value is not None:
                pairs.append((key, value))
        pairs += [("tag", tag) for tag in tags or ()]
        found = workspace(workspace_name, path).service.get("/runs", pairs)["runs"]
        show(found, output, query, COLUMNS)


@app.command("show")
def show_run(
    run_id: RunId,
    tree: Annotated[bool, typer.Option("--tree", help="The run and all below it.")] = False,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
    query: Query = None,
) -> None:
    """Show RUN: status, evidence, children."""
    with errors_told():
        run = _find(run_id, workspace_name, path)
        if tree:
            print_tree(run)
            return
        service = run.experiment.workspace.service
        record = _record(run)
        record["attempts"] = service.get(f"/runs/{run.id}/attempts")["attempts"]
        show(record, output, query)


@app.command()
def wait(
    run_id: RunId,
    timeout: Annotated[float | None, typer.Option(help="Seconds; then exit code 6.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
) -> None:
    """Wait until RUN has ended and exit as it did."""
    with errors_told():
        run = _find(run_id, workspace_name, path)
        if not quiet:
            follow(run, timeout)
        run.wait_for_completion(raise_on_error=False, timeout=timeout)
        status = run.get_status()
        typer.echo(status)
        raise typer.Exit(BY_STATUS.get(status, Exit.FAILED))


@app.command()
def logs(
    run_id: RunId,
    follow_log: Annotated[bool, typer.Option("--follow", "-f", help="Until it ends.")] = False,
    name: Annotated[str | None, typer.Option(help="Which log; default: the script's.")] = None,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
) -> None:
    """Print the log of RUN."""
    from dispatcher.cli.logs import print_log

    with errors_told():
        print_log(_find(run_id, workspace_name, path), name, follow=follow_log)


@app.command()
def cancel(run_id: RunId, path: Folder = HERE, workspace_name: WorkspaceName = None) -> None:
    """Cancel RUN and all below it."""
    with errors_told():
        run = _find(run_id, workspace_name, path)
        run.cancel()
        typer.echo(run.get_status())


@app.command()
def explain(run_id: RunId, path: Folder = HERE, workspace_name: WorkspaceName = None) -> None:
    """Say why RUN is still waiting."""
    with errors_told():
        run = _find(run_id, workspace_name, path)
        told = run.experiment.workspace.service.get(f"/runs/{run.id}/explain")
        reason = told["reason"]
        typer.echo(f"{told['status']}: {reason}" if reason else f"{run.id} is not waiting")


def _find(run_id: str, workspace_name: str | None, path: Path) -> Run:
    return workspace(workspace_name, path).get_run(run_id)


def _record(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.experiment.workspace.service.get(f"/runs/{run.id}")
    return found


def _stream(run: Run) -> Exit:
    run.wait_for_completion(show_output=True, raise_on_error=False)
    return BY_STATUS.get(run.get_status(), Exit.FAILED)


__all__ = ["Format", "app"]
