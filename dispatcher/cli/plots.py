"""Plots of a sweep by Optuna's visualization, as HTML pages."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.sweeps.run import HyperDriveRun

NAMES = ("history", "parallel_coordinate", "importances")


def draw(
    run: HyperDriveRun,
    spec: Mapping[str, Any],
    trials: Sequence[Mapping[str, Any]],
    folder: Path | None = None,
) -> list[str]:
    """Write the plots into a folder, or by default to the run's artifacts under `plots/`.

    A plot that needs more trials than exist is left out.

    Returns:
        The files, or the names of the artifacts.

    Raises:
        UserErrorException: plotly is missing, or no trial has a value.
    """
    study = study_of(spec, trials)
    written: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        target = folder or Path(scratch)
        target.mkdir(parents=True, exist_ok=True)
        for name, figure in _figures(study, str(spec["primary_metric"]["name"])):
            file = target / f"{name}.html"
            figure.write_html(str(file), include_plotlyjs=True)
            if folder is None:
                # Artifacts are write-once, so the name contains the number of trials.
                artifact = f"plots/{len(study.trials)}_trials/{name}.html"
                run.upload_file(artifact, str(file))
                written.append(artifact)
            else:
                written.append(str(file))
    return written


def study_of(spec: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Any:
    """The sweep as an Optuna study. Raises UserErrorException if no trial has a value."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = [row for row in trials if row["best_primary_metric"] is not None]
    if not rows:
        raise UserErrorException(
            "No trial has logged the primary metric, so there is nothing to plot."
        )
    cells = [json.loads(row["hyperparameters"]) for row in rows]
    distributions = {
        name: _distribution(expression, [cell[name] for cell in cells if name in cell], optuna)
        for name, expression in spec["sampling"]["parameter_space"].items()
        if any(name in cell for cell in cells)
    }
    study = optuna.create_study(direction=spec["primary_metric"]["goal"])
    for row, cell in zip(rows, cells, strict=True):
        params = {
            name: value if isinstance(value, int | float) else json.dumps(value)
            for name, value in cell.items()
        }
        params = {
            name: _text(value)
            if spec["sampling"]["parameter_space"][name][0] == "choice"
            else value
            for name, value in params.items()
        }
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions={name: distributions[name] for name in params},
                value=row["best_primary_metric"],
            )
        )
    return study


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _distribution(expression: Any, values: Sequence[Any], optuna: Any) -> Any:
    kind, arguments = expression[:2]
    if kind == "choice":
        options = dict.fromkeys(_text(_plain(option)) for option in arguments[0])
        return optuna.distributions.CategoricalDistribution(list(options))
    if kind == "randint":
        return optuna.distributions.IntDistribution(0, arguments[0] - 1)
    low, high = min(values), max(values)
    log = "log" in kind and low > 0
    return optuna.distributions.FloatDistribution(low, max(high, low * (1 + 1e-9)), log=log)


def _plain(option: Any) -> Any:
    return option if isinstance(option, int | float) else json.dumps(option)


def _figures(study: Any, metric: str) -> Any:
    try:
        import plotly  # noqa: F401
    except ImportError as error:
        raise UserErrorException(
            "Plots need plotly: pip install 'compute-target-dispatcher[plots]'."
        ) from error
    from optuna import visualization
    from optuna.importance import PedAnovaImportanceEvaluator

    yield NAMES[0], visualization.plot_optimization_history(study, target_name=metric)
    yield NAMES[1], visualization.plot_parallel_coordinate(study, target_name=metric)
    params = [trial.params for trial in study.trials]
    common = [name for name in params[0] if all(name in each for each in params)]
    varied = [name for name in common if len({each[name] for each in params}) > 1]
    if len(study.trials) >= 4 and varied:
        yield (
            NAMES[2],
            visualization.plot_param_importances(
                study, evaluator=PedAnovaImportanceEvaluator(), target_name=metric
            ),
        )
