"""`dispatcher run submit-…`: submits scripts and sweeps.

What describes a run is imported where a command submits one: the group `run` has many commands that
only ask, and the import takes as long as their call.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatcher.cli import unsupported
from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import HERE, CommandContext
from dispatcher.cli.exits import BY_STATUS, Exit
from dispatcher.cli.records import record
from dispatcher.client.absolute_path import absolute
from dispatcher.client.api import runs as api_runs
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.workspaces.experiment import Experiment

if TYPE_CHECKING:
    from dispatcher.client.v1.configs.run_configuration import RunConfiguration
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig

DEFAULT_CONFIGURATION = "local"
MEGABYTES = {"m": 1, "g": 1024, "t": 1024 * 1024}

Script = Annotated[
    str | None, typer.Argument(help="The script, below the source directory.", show_default=False)
]
Arguments = Annotated[list[str] | None, typer.Argument(help="The script's arguments.")]
ConfigurationName = Annotated[
    str | None,
    typer.Option("--run-configuration-name", "-c", help="Name of a .runconfig."),
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment-name", "-e", help="Default: the attached one.")
]
SourceDirectory = Annotated[
    Path | None, typer.Option(help="Folder that is copied for the run; default: --path.")
]
CondaFile = Annotated[
    Path | None,
    typer.Option("--conda-dependencies", "-d", help="Replaces that of the configuration."),
]
TargetName = Annotated[
    str | None, typer.Option("--target", "--ct", help="Compute target; default: local.")
]
Gpus = Annotated[int | None, typer.Option(help="GPUs of the run.", min=0)]
Cpus = Annotated[float | None, typer.Option(help="CPUs of the run.")]
Memory = Annotated[str | None, typer.Option(help="Memory limit: 512m, 4g, or MB.")]
Variables = Annotated[
    list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME for this shell's value.")
]
NoWait = Annotated[bool, typer.Option("--async", help="Print the run without waiting for it.")]


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
    memory: Memory = None,
    variables: Variables = None,
    no_wait: NoWait = False,
) -> CommandResult:
    """Submit SCRIPT and stream its output; the exit code follows its status."""
    source = _source(scope, source_directory)
    config = load_configuration(configuration, (scope.path, source))
    limit = None if memory is None else megabytes(memory)
    override(config, conda_dependencies, target=target, gpus=gpus, cpus=cpus, memory_mb=limit)
    config.environment_variables.update(map(variable, variables or ()))
    submission = _submission(source, script, arguments, config)
    return submit_run(scope, submission, experiment or default_experiment(scope, source), no_wait)


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
    no_wait: NoWait = False,
) -> CommandResult:
    """Submit a sweep over SCRIPT's arguments, defined by a file."""
    source = _source(scope, source_directory)
    config = load_configuration(configuration, (scope.path, source))
    override(config, conda_dependencies, target=target)
    submission = _submission(source, script, arguments, config)
    from dispatcher.cli.files import read_yaml
    from dispatcher.cli.sweeps import config_of

    file = _sweep_file(sweep_file, (scope.path, source))
    sweep = config_of(read_yaml(file), file, submission)
    return submit_run(scope, sweep, experiment or default_experiment(scope, source), no_wait)


def _submission(
    source: Path, script: str | None, arguments: list[str] | None, config: "RunConfiguration"
) -> "ScriptRunConfig":
    """What is submitted. Raises UserErrorException if it cannot be."""
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig

    made = ScriptRunConfig(str(source), script=script, arguments=arguments or [], run_config=config)
    made.check()
    return made


def stream_log(run: Run) -> CommandResult:
    """Print the run's log until the run has ended; the exit code follows its status."""
    run.wait_for_completion(show_output=True, raise_on_error=False)
    code = BY_STATUS.get(run.get_status(), Exit.FAILED)
    return CommandResult(_view(run), code=code, only_on_request=True)


def submit_run(scope: CommandContext, config: Any, experiment: str, no_wait: bool) -> CommandResult:
    """Submit a run or a sweep; stream its log unless `no_wait`."""
    run = Experiment(scope.workspace, experiment).submit(config)
    return CommandResult(_view(run)) if no_wait else stream_log(run)


def default_experiment(scope: CommandContext, source: Path) -> str:
    """The experiment that the folder is attached with, else the source directory's name."""
    from dispatcher.cli.attached import experiment_of

    return experiment_of(scope.path) or Path(absolute(str(source))).resolve().name


def override(config: "RunConfiguration", conda_file: Path | None, **fields: Any) -> None:
    """Override fields of a run configuration by the command line's."""
    for field, value in fields.items():
        if value is not None:
            setattr(config, field, value)
    if conda_file is not None:
        from dispatcher.cli.files import read_yaml
        from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies

        packages = CondaDependencies(_underlying_structure=read_yaml(conda_file))
        config.environment.python.conda_dependencies = packages
        config.environment.python.user_managed_dependencies = False


def megabytes(text: str) -> int:
    """The megabytes of `512m`, `4g`, or a number of MB. Raises UserErrorException."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "m")
    if unit not in MEGABYTES or not number.replace(".", "", 1).isdecimal():
        raise UserErrorException(f"--memory {text!r}: give MB, or a number with m, g or t.")
    return int(float(number) * MEGABYTES[unit])


def variable(text: str) -> tuple[str, str]:
    """The name and value of `NAME=VALUE`; `NAME` alone has this process's value.

    Raises:
        UserErrorException: It has no name, or this process has no such variable.
    """
    name, equals, value = text.partition("=")
    if not name:
        raise UserErrorException(f"--env {text!r}: give NAME=VALUE, or NAME.")
    if not equals and name not in os.environ:
        raise UserErrorException(f"--env {name}: this shell has no such variable; give NAME=VALUE.")
    return name, value if equals else os.environ[name]


def _source(scope: CommandContext, directory: Path | None) -> Path:
    """The source directory. Without `--path` it also selects the workspace."""
    source = directory or scope.path
    if not source.is_dir():
        raise UserErrorException(f"The source directory {source} is not a folder.")
    if directory is not None and scope.path == HERE and not Path(".azureml").exists():
        scope.path = directory
    return source


def load_configuration(name: str | None, folders: Iterable[Path]) -> "RunConfiguration":
    """The configuration with a name in the first folder that has it; without a name, `local`."""
    from dispatcher.client.v1.configs.run_configuration import RunConfiguration

    errors: list[UserErrorException] = []
    for folder in dict.fromkeys(folders):
        try:
            return RunConfiguration.load(str(folder), name or DEFAULT_CONFIGURATION)
        except UserErrorException as error:
            if not str(error.message).startswith("No run configuration"):
                raise
            errors.append(error)
    if name is None:
        return RunConfiguration()
    raise errors[0]


def _sweep_file(name: str, folders: Iterable[Path]) -> Path:
    candidates = [Path(name)]
    for folder in folders:
        for parent in (folder, folder / ".azureml"):
            candidates += [parent / name, parent / f"{name}.yml", parent / f"{name}.yaml"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise UserErrorException(f"No sweep {name!r}: the file does not exist.")


def _view(run: Run) -> dict[str, Any]:
    return record(api_runs.read(run.experiment.workspace.service, run.id))
