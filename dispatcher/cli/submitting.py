"""`dispatcher run submit-…`: submits scripts and sweeps."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli import unsupported
from dispatcher.cli.attached import experiment_of
from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import HERE, CommandContext
from dispatcher.cli.exits import BY_STATUS, Exit
from dispatcher.cli.files import read_yaml
from dispatcher.cli.records import record
from dispatcher.cli.sweeps import config_of
from dispatcher.client.api import runs as api_runs
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.workspaces.experiment import Experiment

DEFAULT_CONFIGURATION = "local"

Script = Annotated[
    str | None, typer.Argument(help="The script, below the source directory.", show_default=False)
]
Arguments = Annotated[list[str] | None, typer.Argument(help="What the script is given.")]
ConfigurationName = Annotated[
    str | None,
    typer.Option("--run-configuration-name", "-c", help="A .runconfig by its name."),
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment-name", "-e", help="Default: the attached one.")
]
SourceDirectory = Annotated[
    Path | None, typer.Option(help="The folder that the run gets a copy of; default: --path.")
]
CondaFile = Annotated[
    Path | None, typer.Option("--conda-dependencies", "-d", help="Instead of the configuration's.")
]
TargetName = Annotated[
    str | None, typer.Option("--target", "--ct", help="Compute target; default: local.")
]
Gpus = Annotated[int | None, typer.Option(help="GPUs of the run.", min=0)]
Cpus = Annotated[float | None, typer.Option(help="CPUs of the run.")]
GoOn = Annotated[bool, typer.Option("--async", help="Do not wait, print the run.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `run`."""
    command(app, "submit-script", takes_rest=True)(submit_script)
    command(app, "submit-hyperdrive", takes_rest=True)(submit_hyperdrive)
    unsupported.register(app, {"submit-pipeline": unsupported.PIPELINES}, "run ")


def submit_script(
    scope: CommandContext,
    script: Script = None,
    arguments: Arguments = None,
    configuration: ConfigurationName = None,
    experiment: ExperimentName = None,
    source_directory: SourceDirectory = None,
    conda_dependencies: CondaFile = None,
    target: TargetName = None,
    gpus: Gpus = None,
    cpus: Cpus = None,
    go_on: GoOn = False,
) -> Shown:
    """Submit SCRIPT, stream its output, and exit as it did."""
    source = _source(scope, source_directory)
    config = configuration_of(configuration, (scope.path, source))
    adapt(config, conda_dependencies, target=target, gpus=gpus, cpus=cpus)
    submission = ScriptRunConfig(
        str(source), script=script, arguments=arguments or [], run_config=config
    )
    submission.check()
    return submitted(scope, submission, experiment or usual_experiment(scope, source), go_on)


def submit_hyperdrive(
    scope: CommandContext,
    sweep_file: Annotated[
        str,
        typer.Option("--hyperdrive-configuration-name", help="The sweep, a YAML file."),
    ],
    script: Script = None,
    arguments: Arguments = None,
    configuration: ConfigurationName = None,
    experiment: ExperimentName = None,
    source_directory: SourceDirectory = None,
    conda_dependencies: CondaFile = None,
    target: TargetName = None,
    go_on: GoOn = False,
) -> Shown:
    """Submit a sweep over SCRIPT's arguments, as a file describes it."""
    source = _source(scope, source_directory)
    config = configuration_of(configuration, (scope.path, source))
    adapt(config, conda_dependencies, target=target)
    submission = ScriptRunConfig(
        str(source), script=script, arguments=arguments or [], run_config=config
    )
    submission.check()
    file = _sweep_file(sweep_file, (scope.path, source))
    sweep = config_of(read_yaml(file), file, submission)
    return submitted(scope, sweep, experiment or usual_experiment(scope, source), go_on)


def streamed(run: Run) -> Shown:
    """The run's log to stdout until it has ended; the command ends as the run did."""
    run.wait_for_completion(show_output=True, raise_on_error=False)
    code = BY_STATUS.get(run.get_status(), Exit.FAILED)
    return Shown(_view(run), code=code, if_asked=True)


def submitted(scope: CommandContext, config: Any, experiment: str, go_on: bool) -> Shown:
    run = Experiment(scope.workspace, experiment).submit(config)
    return Shown(_view(run)) if go_on else streamed(run)


def usual_experiment(scope: CommandContext, source: Path) -> str:
    return experiment_of(scope.path) or source.resolve().name


def adapt(config: RunConfiguration, conda_file: Path | None, **fields: Any) -> None:
    """Set what the command line says over what the configuration's file says."""
    for field, value in fields.items():
        if value is not None:
            setattr(config, field, value)
    if conda_file is not None:
        packages = CondaDependencies(_underlying_structure=read_yaml(conda_file))
        config.environment.python.conda_dependencies = packages
        config.environment.python.user_managed_dependencies = False


def _source(scope: CommandContext, given: Path | None) -> Path:
    """The source directory. Without `--path` it also says which workspace is meant."""
    source = given or scope.path
    if not source.is_dir():
        raise UserErrorException(f"The source directory {source} is no folder.")
    if given is not None and scope.path == HERE and not Path(".azureml").exists():
        scope.path = given
    return source


def configuration_of(name: str | None, folders: Iterable[Path]) -> RunConfiguration:
    """The configuration of that name in the first folder that has it; else v1's `local`."""
    tried: list[UserErrorException] = []
    for folder in dict.fromkeys(folders):
        try:
            return RunConfiguration.load(str(folder), name or DEFAULT_CONFIGURATION)
        except UserErrorException as error:
            if not str(error.message).startswith("No run configuration"):
                raise
            tried.append(error)
    if name is None:
        return RunConfiguration()
    raise tried[0]


def _sweep_file(name: str, folders: Iterable[Path]) -> Path:
    places = [Path(name)]
    for folder in folders:
        for stem in (folder, folder / ".azureml"):
            places += [stem / name, stem / f"{name}.yml", stem / f"{name}.yaml"]
    for place in places:
        if place.is_file():
            return place
    raise UserErrorException(f"No sweep {name!r}: there is no file of that name.")


def _view(run: Run) -> dict[str, Any]:
    return record(api_runs.read(run.experiment.workspace.service, run.id))
