"""`dispatcher run …`: look at runs and act on them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatcher.cli import submitting, unsupported
from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import BY_STATUS, Exit
from dispatcher.cli.records import COLUMNS, MINIMAL, minimal, record
from dispatcher.cli.tree import follow, print_tree
from dispatcher.client.api import runs as api_runs
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.runs.run import Run
from dispatcher.core.runs.lifecycle import Status

if TYPE_CHECKING:
    from dispatcher.client.api.records import RunRecord

app = typer.Typer(help="Submit runs, look at them, act on them.", no_args_is_help=True)
submitting.register(app)

PAGE = 1000
Word = Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id.")]
OldWord = Annotated[str | None, typer.Option("--run", "-r", help="The run's id, v1's way.")]
OfExperiment = Annotated[
    str | None, typer.Option("--experiment-name", "-e", help="It must be of this experiment.")
]


@command(app, "list", with_query=True)
def list_runs(
    scope: CommandContext,
    experiment: Annotated[str | None, typer.Option("--experiment-name", "-e")] = None,
    last: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 10,
    status: Annotated[Status | None, typer.Option(help="Only of this status.")] = None,
    target: Annotated[str | None, typer.Option("--compute-target-name")] = None,
    parent: Annotated[
        str | None, typer.Option("--parent-run-id", help="Children of this run.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="With --parent-run-id: all below it.")
    ] = False,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="key or key=value.")] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--properties", help="key or key=value.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Children too.")] = False,
    lean: Annotated[
        bool, typer.Option("--minimal", help="Id, type, status, times, target, tags.")
    ] = False,
    pipeline: Annotated[str | None, typer.Option("--pipeline-run-id", hidden=True)] = None,
) -> Shown:
    """List runs, newest first. Children are listed with --parent-run-id or --all."""
    if pipeline is not None:
        raise UserErrorException("--pipeline-run-id: " + unsupported.PIPELINES)
    if recursive and not parent:
        raise UserErrorException("--recursive needs --parent-run-id.")
    if parent:
        scope.run(parent)
    pairs: list[tuple[str, Any]] = [
        ("experiment", experiment),
        ("status", status),
        ("target", target),
        ("parent", parent),
        ("recursive", recursive or None),
        ("include_children", everything or None),
        *(("tag", tag) for tag in tags or ()),
        *(("property", prop) for prop in properties or ()),
    ]
    query = [(key, str(value)) for key, value in pairs if value is not None]
    views = _pages(scope, query, last)
    if lean:
        return Shown([minimal(view) for view in views], tuple(MINIMAL))
    return Shown([record(view) for view in views], COLUMNS)


@command(app, "show")
def show_run(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
    tree: Annotated[bool, typer.Option("--tree", help="The run and all below it.")] = False,
) -> Shown | None:
    """Show RUN: status, evidence, children."""
    run = _chosen(scope, word, run_id, experiment)
    if tree:
        print_tree(run)
        return None
    attempts = api_runs.attempts(scope.service, run.id)
    return Shown({**_read(run), "attempts": attempts})


@command(app)
def wait(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds; then exit code 6.")] = None,
    quiet_wait: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> Shown:
    """Wait until RUN has ended and exit as it did."""
    run = _chosen(scope, word, run_id, experiment)
    if not quiet_wait:
        follow(run, timeout)
    run.wait_for_completion(raise_on_error=False, timeout=timeout)
    status = run.get_status()
    typer.echo(status, err=scope.wants_result)
    return Shown(_read(run), code=BY_STATUS.get(status, Exit.FAILED), if_asked=True)


@command(app)
def cancel(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
) -> Shown:
    """Cancel RUN and all below it. One that has ended stays as it is."""
    run = _chosen(scope, word, run_id, experiment)
    run.cancel()
    status = run.get_status()
    if status in (Status.COMPLETED, Status.FAILED):
        scope.note(f"run {run.id} had ended already: {status}")
    else:
        typer.echo("Experiment run canceled successfully.", err=scope.wants_result)
        scope.note(f"run {run.id} is {status}")
    return Shown(_read(run), if_asked=True)


@command(app)
def update(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
    add_tag: Annotated[
        list[str] | None, typer.Option("--add-tag", help="key=value, or key alone; repeatable.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="The same as --add-tag.")] = None,
    display_name: Annotated[str | None, typer.Option(help="The name that is shown.")] = None,
    description: Annotated[str | None, typer.Option(help="What the run is for.")] = None,
) -> Shown:
    """Add or change tags of RUN, and describe it. Other tags stay."""
    changes: dict[str, Any] = {
        "tags": dict(_pair(text) for text in [*(add_tag or ()), *(tags or ())]),
        "display_name": display_name,
        "description": description,
    }
    given = {key: value for key, value in changes.items() if value}
    if not given:
        raise UserErrorException(
            "Nothing to change: give --add-tag, --display-name or --description."
        )
    run = _chosen(scope, word, run_id, experiment)
    return Shown(record(api_runs.change(scope.service, run.id, given)))


@command(app)
def explain(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
) -> None:
    """Say why RUN is still waiting."""
    run = _chosen(scope, word, run_id, experiment)
    answer = api_runs.explain(scope.service, run.id)
    reason = answer["reason"]
    typer.echo(f"{answer['status']}: {reason}" if reason else f"{run.id} is not waiting")


@command(app)
def logs(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
    follow_log: Annotated[bool, typer.Option("--follow", "-f", help="Until it ends.")] = False,
    name: Annotated[str | None, typer.Option(help="Which log; default: the script's.")] = None,
) -> None:
    """Print the log of RUN."""
    from dispatcher.cli.logs import print_log

    print_log(_chosen(scope, word, run_id, experiment), name, follow=follow_log)


@command(app, "monitor-logs")
def monitor_logs(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
) -> Shown:
    """Stream the log of RUN until it ends, and exit as it did."""
    run = _chosen(scope, word, run_id, experiment)
    return submitting.streamed(run)


@command(app, "download-logs")
def download_logs(
    scope: CommandContext,
    output_dir: Annotated[str, typer.Option("--output-dir", "-d", help="Where to; made.")],
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
) -> Shown:
    """Write all logs of RUN into a folder; prints the files."""
    from dispatcher.cli.logs import download

    return Shown(download(_chosen(scope, word, run_id, experiment), output_dir))


@command(app, "monitor-tensorboard", hidden=True)
def monitor_tensorboard(
    scope: CommandContext,
    word: Word = None,
    run_id: OldWord = None,
    experiment: OfExperiment = None,
    local_directory: Annotated[str | None, typer.Option("--local-directory")] = None,
) -> None:
    """Not there; says what to use."""
    run = _chosen(scope, word, run_id, experiment)
    where = local_directory or "tensorboard-logs"
    raise UserErrorException(
        "run monitor-tensorboard is not supported. Fetch the run's event files and point "
        "TensorBoard at them:\n"
        f"  dispatcher run download-logs -r {run.id} -d {where} && tensorboard --logdir {where}"
    )


def _pages(scope: CommandContext, query: list[tuple[str, str]], count: int) -> "list[RunRecord]":
    """So many runs, with as many requests as it takes."""
    records: dict[str, RunRecord] = {}  # a run that starts between two pages is listed twice
    cursor: str | None = None
    while len(records) < count:
        size = min(count - len(records), PAGE)
        page = api_runs.page(scope.service, [*query, ("limit", size)], cursor)
        records.update((record["id"], record) for record in page["runs"])
        cursor = page["next"]
        if cursor is None:
            break
    return list(records.values())


def _chosen(
    scope: CommandContext, word: str | None, option: str | None, experiment: str | None
) -> Run:
    """The run that is meant by its id after the command or by `-r`."""
    ids = {each for each in (word, option) if each is not None}
    if len(ids) != 1:
        raise UserErrorException(
            f"There are two runs, {word!r} and {option!r}; name one."
            if ids
            else "Which run? Give its id: --run/-r RUN, or RUN alone."
        )
    return scope.run(ids.pop(), experiment)


def _pair(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if not key:
        raise UserErrorException(f"{text!r} is no tag: it is key=value, or a key alone.")
    return key, value if equals else None


def _read(run: Run) -> dict[str, Any]:
    return record(api_runs.read(run.experiment.workspace.service, run.id))
