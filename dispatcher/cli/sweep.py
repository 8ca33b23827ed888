"""`dispatcher sweep …`: submit, show and control sweeps."""

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from dispatcher.cli import plots
from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.files import read_yaml
from dispatcher.cli.submitting import (
    default_experiment,
    load_configuration,
    override,
    submit_run,
)
from dispatcher.cli.sweeps import config_of_file, file_of
from dispatcher.client.api import sweeps
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.sweeps.config import HyperDriveConfig
from dispatcher.client.v1.sweeps.run import HyperDriveRun
from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.sweeps.sweep import Metric, Sampling, SweepSpec
from dispatcher.services.sweeps.suggester import Suggester
from dispatcher.services.sweeps.trial_history import EmptyHistory

app = typer.Typer(help="Sweeps: many runs of one script.", no_args_is_help=True)
PAGE = 1000
COLUMNS = ("number", "run_id", "status", "best_primary_metric", "hyperparameters")
Id = Annotated[str, typer.Argument(metavar="RUN", help="The sweep's run id.")]


@app.callback()
def group() -> None:
    """Sweeps: many runs of one script."""


@command(app)
def submit(
    scope: CommandContext,
    file: Annotated[Path, typer.Argument(help="The sweep, a YAML file; see docs/sweeps.md.")],
    experiment: Annotated[str | None, typer.Option("--experiment-name", "-e")] = None,
    target: Annotated[str | None, typer.Option("--target", "--ct")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the first cells.")] = False,
    cells: Annotated[
        int, typer.Option(help="With --dry-run: number of cells.", min=1, max=10000)
    ] = 10,
    no_wait: Annotated[
        bool, typer.Option("--async", help="Print the run without waiting for it.")
    ] = False,
) -> CommandResult:
    """Submit the sweep of FILE and stream its log; the exit code follows its status."""
    sweep_file = file_of(read_yaml(file), file)
    source = Path(sweep_file.source_directory or ".")
    source = source if source.is_absolute() else file.parent / source
    if not source.is_dir():
        raise UserErrorException(f"source_directory: {source} is not a folder.")
    run_config = load_configuration(sweep_file.run_configuration, (file.parent, source))
    override(
        run_config,
        None,
        target=target or sweep_file.target,
        cpus=sweep_file.cpus,
        gpus=sweep_file.gpus,
    )
    script = ScriptRunConfig(
        str(source),
        script=sweep_file.script,
        arguments=list(sweep_file.arguments),
        command=sweep_file.command,
        run_config=run_config,
    )
    script.check()
    config = config_of_file(sweep_file, file, script)
    if dry_run:
        return CommandResult(_first_cells(config, cells))
    config._targets = [] if target else list(sweep_file.targets)
    config._resume_from = [_sweep(scope, run_id) for run_id in sweep_file.resume_from]
    name = experiment or sweep_file.experiment or default_experiment(scope, source)
    return submit_run(scope, config, name, no_wait)


@command(app)
def show(
    scope: CommandContext,
    run_id: Id,
    top: Annotated[int, typer.Option(help="Number of trials, best first; 0: all.", min=0)] = 10,
) -> CommandResult:
    """Show RUN: its best trial, its table, its progress."""
    run = _sweep(scope, run_id)
    progress = run.progress()
    trials = sweeps.read_part(scope.service, run.id, "ranking", [("top", top)] if top else [])[
        "trials"
    ]
    submitted_count = sum(progress["trials"].values())
    total, paused = progress["spec"]["max_total_runs"], " (paused)" if progress["paused"] else ""
    scope.note(
        f"{progress['status']}{paused}: {submitted_count} of {total} trials, {progress['trials']}"
    )
    if not scope.wants_result:
        return CommandResult(trials, COLUMNS)
    if progress["spec"]["further_metrics"]:
        return CommandResult(
            {
                **progress,
                "front": sweeps.read_part(scope.service, run.id, "front", [])["trials"],
                "table": trials,
            }
        )
    best = trials[0] if trials and trials[0]["best_primary_metric"] is not None else None
    return CommandResult({**progress, "best": best, "table": trials})


@command(app)
def pause(scope: CommandContext, run_id: Id) -> CommandResult:
    """Start no further trials of RUN; open trials continue."""
    run = _sweep(scope, run_id)
    run.pause()
    return CommandResult(run.progress(), only_on_request=True)


@command(app)
def resume(scope: CommandContext, run_id: Id) -> CommandResult:
    """Resume RUN after a pause."""
    run = _sweep(scope, run_id)
    run.resume()
    return CommandResult(run.progress(), only_on_request=True)


@command(app)
def extend(
    scope: CommandContext,
    run_id: Id,
    add: Annotated[int, typer.Option("--add", help="Number of additional trials.", min=1)],
) -> CommandResult:
    """Raise the number of trials of RUN."""
    run = _sweep(scope, run_id)
    run.extend(add)
    return CommandResult(run.progress(), only_on_request=True)


@command(app)
def retry(
    scope: CommandContext,
    run_id: Id,
    failed: Annotated[
        bool, typer.Option("--failed", help="Required: retry the failed trials.")
    ] = False,
) -> CommandResult:
    """Retry the failed trials of RUN; for an ended sweep in a new sweep."""
    if not failed:
        raise UserErrorException("--failed is required: it selects the trials that are retried.")
    retrying = _sweep(scope, run_id).retry_failed()
    scope.note(f"sweep {retrying.id} retries them")
    return CommandResult(retrying.progress())


@command(app)
def cancel(scope: CommandContext, run_id: Id) -> CommandResult:
    """Cancel RUN and its trials."""
    run = _sweep(scope, run_id)
    run.cancel()
    scope.note(f"sweep {run_id} is {run.get_status()}")
    return CommandResult(run.progress(), only_on_request=True)


@command(app)
def best(scope: CommandContext, run_id: Id) -> CommandResult:
    """The best trial of RUN; with several metrics, its Pareto front."""
    run = _sweep(scope, run_id)
    if run.progress()["spec"]["further_metrics"]:
        trials = sweeps.read_part(scope.service, run.id, "front", [])["trials"]
        if not trials:
            raise UserErrorException(f"No trial of {run_id} has logged all of its metrics.")
        return CommandResult(trials, ("run_id", "status", "metrics", "hyperparameters"))
    trials = sweeps.read_part(
        scope.service, run.id, "ranking", [("top", 1), ("discard_no_metric", 1)]
    )["trials"]
    if not trials:
        raise UserErrorException(f"No trial of {run_id} has logged its primary metric.")
    values = json.loads(trials[0]["hyperparameters"])
    return CommandResult({**trials[0], "hyperparameters": values})


@command(app)
def export(
    scope: CommandContext,
    run_id: Id,
    file: Annotated[Path, typer.Argument(help="A .csv file, or .parquet with pyarrow.")],
) -> CommandResult:
    """Write the table of RUN's trials to FILE."""
    rows = [flatten(row) for row in all_trials(_sweep(scope, run_id))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if file.suffix == ".parquet":
        _write_parquet(file, rows, names)
    elif file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, names)
            writer.writeheader()
            writer.writerows(rows)
    else:
        raise UserErrorException(f"{file}: the file name must end in .csv or .parquet.")
    scope.note(f"{len(rows)} trials written to {file}")
    return CommandResult({"file": str(file), "trials": len(rows)}, only_on_request=True)


@command(app)
def plot(
    scope: CommandContext,
    run_id: Id,
    folder: Annotated[
        Path | None, typer.Option("--output-dir", "-d", help="Write them to this folder instead.")
    ] = None,
) -> CommandResult:
    """Plot RUN's history, parallel coordinates and importances as HTML artifacts."""
    run = _sweep(scope, run_id)
    return CommandResult(
        {"plots": plots.draw(run, run.progress()["spec"], all_trials(run), folder)}
    )


def all_trials(run: HyperDriveRun) -> list[dict[str, Any]]:
    """All rows of a sweep's table, read page by page."""
    service = run.experiment.workspace.service
    rows: list[dict[str, Any]] = []
    after: int | None = -1
    while after is not None:
        query = [("after", after), ("limit", PAGE)]
        page = sweeps.read_part(service, run.id, "trials", query)
        rows += page["trials"]
        after = page["next"]
    return rows


def flatten(row: dict[str, Any]) -> dict[str, Any]:
    """A row with a column for each hyperparameter, `param.NAME`, and each of several metrics."""
    values = json.loads(row["hyperparameters"])
    nested = ("hyperparameters", "metrics")
    plain = {name: value for name, value in row.items() if name not in nested}
    metrics = row["metrics"] if len(row["metrics"]) > 1 else {}
    return {
        **plain,
        **{f"metric.{name}": value for name, value in metrics.items()},
        **{
            f"param.{name}": json.dumps(value) if isinstance(value, list | dict) else value
            for name, value in values.items()
        },
    }


def _sweep(scope: CommandContext, run_id: str) -> HyperDriveRun:
    run = scope.run(run_id)
    if not isinstance(run, HyperDriveRun):
        raise UserErrorException(f"Run {run_id} is not a sweep.")
    return run


def _first_cells(config: HyperDriveConfig, count: int) -> list[dict[str, Any]]:
    """The first cells of a sweep; of a guided sampler, its random start."""
    try:
        sampling = Sampling.model_validate(config._sampling.to_json())
    except ValidationError as error:
        messages = "; ".join(each["msg"] for each in error.errors())
        raise UserErrorException(messages) from error
    spec = SweepSpec(
        id="dry-run",
        experiment="dry-run",
        trial=RunSpec(id="dry-run_0", experiment="dry-run", command="true"),
        sampling=sampling,
        primary_metric=Metric.model_validate(config._primary_metric_config),
        further_metrics=tuple(map(Metric.model_validate, config._further_metrics)),
        max_total_runs=config._max_total_runs,
        max_concurrent_runs=1,
    )
    ordinals = range(min(count, config._max_total_runs))
    try:
        return [each.values for each in Suggester(spec).suggest(ordinals, (), EmptyHistory())]
    except InvalidSpec as error:
        raise UserErrorException(str(error)) from error


def _write_parquet(file: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserErrorException(
            f"{file}: Parquet needs pyarrow (pip install pyarrow); CSV needs no extra package."
        ) from error
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _column(values: list[Any]) -> list[Any]:
    """The values as one type, as Parquet needs; values of several types become texts."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 or kinds <= {int, float}:
        return values
    return [None if value is None else str(value) for value in values]
