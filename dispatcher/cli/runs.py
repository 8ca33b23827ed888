"""`dispatcher run …`: show, wait, cancel, update, logs."""

from typing import Annotated, Any

import typer

from dispatcher.cli import submitting
from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import BY_STATUS, Exit
from dispatcher.cli.listing import list_runs
from dispatcher.cli.records import record
from dispatcher.client.api import runs as api_runs
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.runs.status import RunStatus

app = typer.Typer(help="Submit, show and control runs.", no_args_is_help=True)
submitting.register(app)
command(app, "list", with_query=True)(list_runs)

RunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id.")]
RunOption = Annotated[str | None, typer.Option("--run", "-r", help="The run's id, as in v1.")]
ExperimentFilter = Annotated[
    str | None,
    typer.Option("--experiment-name", "-e", help="Fail if the run is not of this experiment."),
]


@command(app, "show")
def show_run(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
    tree: Annotated[bool, typer.Option("--tree", help="The run and its descendants.")] = False,
) -> CommandResult | None:
    """Show RUN: status, evidence, children."""
    run = _require_run(scope, argument, run_id, experiment)
    if tree:
        from dispatcher.cli.tree import print_tree

        print_tree(run)
        return None
    attempts = api_runs.attempts(scope.service, run.id)
    return CommandResult({**_read(run), "attempts": attempts})


@command(app)
def wait(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait, then exit code 6.")
    ] = None,
    quiet_wait: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> CommandResult:
    """Wait until RUN has ended; the exit code follows its status."""
    run = _require_run(scope, argument, run_id, experiment)
    if not quiet_wait:
        from dispatcher.cli.tree import follow

        follow(run, timeout)
    run.wait_for_completion(raise_on_error=False, timeout=timeout)
    status = run.get_status()
    typer.echo(status, err=scope.wants_result)
    return CommandResult(_read(run), code=BY_STATUS.get(status, Exit.FAILED), only_on_request=True)


@command(app)
def cancel(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
) -> CommandResult:
    """Cancel RUN and its descendants. A run that has ended stays as it is."""
    run = _require_run(scope, argument, run_id, experiment)
    run.cancel()
    status = run.get_status()
    if status in (RunStatus.COMPLETED, RunStatus.FAILED):
        scope.note(f"run {run.id} had ended already: {status}")
    else:
        typer.echo("Experiment run canceled successfully.", err=scope.wants_result)
        scope.note(f"run {run.id} is {status}")
    return CommandResult(_read(run), only_on_request=True)


@command(app, "delete")
def delete_run(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> CommandResult:
    """Delete RUN and its descendants for good. All of them must have ended."""
    run = _require_run(scope, argument, run_id, experiment)
    if not yes:
        typer.confirm(
            f"Delete run {run.id} with its metrics, logs and files?", abort=True, err=True
        )
    deleted = api_runs.delete(scope.service, run.id)
    return CommandResult({"run": run.id, "deleted": deleted})


@command(app)
def update(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
    add_tag: Annotated[
        list[str] | None, typer.Option("--add-tag", help="key=value or key; repeatable.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="The same as --add-tag.")] = None,
    display_name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    description: Annotated[str | None, typer.Option(help="Description.")] = None,
) -> CommandResult:
    """Add or change tags, the display name or the description of RUN."""
    changes: dict[str, Any] = {
        "tags": dict(_pair(text) for text in [*(add_tag or ()), *(tags or ())]),
        "display_name": display_name,
        "description": description,
    }
    requested = {key: value for key, value in changes.items() if value}
    if not requested:
        raise UserErrorException(
            "Nothing to change: give --add-tag, --display-name or --description."
        )
    run = _require_run(scope, argument, run_id, experiment)
    return CommandResult(record(api_runs.change(scope.service, run.id, requested)))


@command(app)
def explain(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
) -> None:
    """Explain why RUN is still waiting."""
    run = _require_run(scope, argument, run_id, experiment)
    answer = api_runs.explain(scope.service, run.id)
    reason = answer["reason"]
    typer.echo(f"{answer['status']}: {reason}" if reason else f"{run.id} is not waiting")


@command(app)
def logs(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
    follow_log: Annotated[
        bool, typer.Option("--follow", "-f", help="Print until the run ends.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Which log; default: the script's.")] = None,
) -> None:
    """Print the log of RUN."""
    from dispatcher.cli.logs import print_log

    print_log(_require_run(scope, argument, run_id, experiment), name, follow=follow_log)


@command(app, "monitor-logs")
def monitor_logs(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
) -> CommandResult:
    """Stream the log of RUN until it ends; the exit code follows its status."""
    run = _require_run(scope, argument, run_id, experiment)
    return submitting.stream_log(run)


@command(app, "download-logs")
def download_logs(
    scope: CommandContext,
    output_dir: Annotated[
        str, typer.Option("--output-dir", "-d", help="Folder; created if missing.")
    ],
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
) -> CommandResult:
    """Write all logs of RUN into a folder; prints the files."""
    from dispatcher.cli.logs import download

    return CommandResult(download(_require_run(scope, argument, run_id, experiment), output_dir))


@command(app, "monitor-tensorboard", hidden=True)
def monitor_tensorboard(
    scope: CommandContext,
    argument: RunArgument = None,
    run_id: RunOption = None,
    experiment: ExperimentFilter = None,
    local_directory: Annotated[str | None, typer.Option("--local-directory")] = None,
) -> None:
    """Not supported; the error names the alternative."""
    run = _require_run(scope, argument, run_id, experiment)
    folder = local_directory or "tensorboard-logs"
    raise UserErrorException(
        "run monitor-tensorboard is not supported. Fetch the run's event files and point "
        "TensorBoard at them:\n"
        f"  dispatcher run download-logs -r {run.id} -d {folder} && tensorboard --logdir {folder}"
    )


def _require_run(
    scope: CommandContext, argument: str | None, option: str | None, experiment: str | None
) -> Run:
    """The run whose id is the argument or the value of `-r`."""
    ids = {each for each in (argument, option) if each is not None}
    if len(ids) != 1:
        raise UserErrorException(
            f"There are two runs, {argument!r} and {option!r}; name one."
            if ids
            else "Which run? Give its id: --run/-r RUN, or RUN."
        )
    return scope.run(ids.pop(), experiment)


def _pair(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if not key:
        raise UserErrorException(f"{text!r} is not a tag: give key=value, or a key.")
    return key, value if equals else None


def _read(run: Run) -> dict[str, Any]:
    return record(api_runs.read(run.experiment.workspace.service, run.id))
