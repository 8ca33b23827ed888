"""Runs training scripts and their child runs on compute you own, in the words of Azure ML v1.

Every name is imported when it is first asked for, so `import dispatcher` costs next to nothing
and a script that only logs never loads what talks to the service.
"""

TYPE_CHECKING = False  # type checkers know the name; importing `typing` would cost milliseconds
if TYPE_CHECKING:
    from dispatcher.client.errors import (
        ActivityFailedException,
        AuthenticationException,
        AzureMLException,
        ComputeTargetException,
        ExperimentExecutionException,
        ProjectSystemException,
        RunConfigurationException,
        RunEnvironmentException,
        ServerUnreachable,
        ServiceException,
        SnapshotException,
        TrainingException,
        UserErrorException,
        WaitTimeoutError,
        WorkspaceException,
    )
    from dispatcher.client.v1.configs.run_configuration import (
        DockerConfiguration,
        MpiConfiguration,
        PyTorchConfiguration,
        RunConfiguration,
        TensorflowConfiguration,
    )
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
    from dispatcher.client.v1.environments.environment import Environment
    from dispatcher.client.v1.runs.run import Run, ScriptRun, get_run
    from dispatcher.client.v1.runs.waiting import wait_all
    from dispatcher.client.v1.workspaces.experiment import Experiment
    from dispatcher.client.v1.workspaces.workspace import Workspace

__version__ = "0.1.0"

_HOMES = {
    "v1.configs.run_configuration": (
        "DockerConfiguration",
        "MpiConfiguration",
        "PyTorchConfiguration",
        "RunConfiguration",
        "TensorflowConfiguration",
    ),
    "v1.environments.environment": ("Environment",),
    "errors": (
        "ActivityFailedException",
        "AuthenticationException",
        "AzureMLException",
        "ComputeTargetException",
        "ExperimentExecutionException",
        "ProjectSystemException",
        "RunConfigurationException",
        "RunEnvironmentException",
        "ServerUnreachable",
        "ServiceException",
        "SnapshotException",
        "TrainingException",
        "UserErrorException",
        "WaitTimeoutError",
        "WorkspaceException",
    ),
    "v1.workspaces.experiment": ("Experiment",),
    "v1.runs.run": ("Run", "ScriptRun", "get_run"),
    "v1.runs.waiting": ("wait_all",),
    "v1.configs.script_run_config": ("ScriptRunConfig",),
    "v1.workspaces.workspace": ("Workspace",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ActivityFailedException",
    "AuthenticationException",
    "AzureMLException",
    "ComputeTargetException",
    "DockerConfiguration",
    "Environment",
    "Experiment",
    "ExperimentExecutionException",
    "MpiConfiguration",
    "ProjectSystemException",
    "PyTorchConfiguration",
    "Run",
    "RunConfiguration",
    "RunConfigurationException",
    "RunEnvironmentException",
    "ScriptRun",
    "ScriptRunConfig",
    "ServerUnreachable",
    "ServiceException",
    "SnapshotException",
    "TensorflowConfiguration",
    "TrainingException",
    "UserErrorException",
    "WaitTimeoutError",
    "Workspace",
    "WorkspaceException",
    "get_run",
    "wait_all",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(__import__(f"dispatcher.client.{home}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})
