"""RunConfiguration: how a run is started, under Azure ML v1's names."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import RunConfigurationException
from dispatcher.client.v1.configs.parts import (
    DockerConfiguration,
    HistoryConfiguration,
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from dispatcher.client.v1.configs.sections import Section
from dispatcher.client.v1.configs.unused import (
    AmlComputeConfiguration,
    HdiConfiguration,
    KubernetesComputeConfiguration,
    ParallelTaskConfiguration,
    SparkConfiguration,
)
from dispatcher.client.v1.environments.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union

__all__ = [
    "DockerConfiguration",
    "HistoryConfiguration",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "RunConfiguration",
    "TensorflowConfiguration",
]


@checks.checked_class
class RunConfiguration(Section):
    """How a run is to be run. Setting an attribute that it does not have raises AttributeError.

    Args:
        script: The script, below the source directory.
        arguments: Its arguments.
        framework: "Python", "PyTorch" or "TensorFlow".
        communicator: "None", "IntelMpi", "ParameterServer", "nccl" or "gloo".
        conda_dependencies: Of the environment.
        command: A shell command instead of script and arguments.

    Beyond v1 it has `cpus`, `gpus`, `memory_mb`, `image`, `start_method` ("auto", "fresh" or
    "fork"), `preload` (modules that a fork server imports beforehand), `max_retries`
    (`{"infra": 1, "resource": 0, "user": 0}`), `grace_seconds` and `child_policy`.
    """

    text_or_list = frozenset({"arguments", "command"})

    def __init__(
        self,
        script: Optional[str] = None,
        arguments: Optional[List[Any]] = None,
        framework: Optional[str] = None,
        communicator: Optional[str] = None,
        conda_dependencies: Any = None,
        _history_enabled: Optional[bool] = None,
        _path: Optional[str] = None,
        _name: Optional[str] = None,
        command: Union[str, List[str], None] = None,
    ) -> None:
        checks.texts_or_none(script=script, framework=framework, communicator=communicator)
        for name, words in (("arguments", arguments), ("command", command)):
            if words is not None and not isinstance(words, (str, list, tuple)):
                checks.refuse(name, "a list or a text", words)
        self.script = script
        self.arguments = arguments if isinstance(arguments, str) else list(arguments or [])
        self.command = command or ""
        self._target: Any = "local"
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.node_count = 1
        self.priority: Optional[int] = None
        self.max_run_duration_seconds: Optional[int] = None
        self.environment = Environment("default-environment")
        self.environment_variables: Dict[str, str] = {}
        self.docker = DockerConfiguration()
        self.history = HistoryConfiguration()
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.data: Dict[str, Any] = {}
        self.data_references: Dict[str, Any] = {}
        self.datacaches: List[Any] = []
        self.output_data: Dict[str, Any] = {}
        self.services: Dict[str, Any] = {}
        self.source_directory_data_store: Optional[str] = None
        self.credential_passthrough = False
        self.history.output_collection = _history_enabled is not False
        self._path, self._name = _path, _name
        self._set_unused()
        self._set_ours()
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self._seal()

    def _set_unused(self) -> None:
        self.amlcompute = AmlComputeConfiguration()
        self.kubernetescompute = KubernetesComputeConfiguration()
        self.auto_cluster_compute_specification: Any = None
        self.spark = SparkConfiguration()
        self.hdi = HdiConfiguration()
        self.paralleltask = ParallelTaskConfiguration()
        self.application_endpoints: Any = None

    def _set_ours(self) -> None:
        self.cpus: Optional[float] = None
        self.gpus: Optional[int] = None
        self.memory_mb: Optional[int] = None
        self.image: Optional[str] = None
        self.start_method = "auto"
        self.preload: List[str] = []
        self.max_retries: Dict[str, int] = {}
        self.grace_seconds: Optional[float] = None
        self.child_policy = "ignore"

    @property
    def target(self) -> str:
        """The compute target's name; a target object may be set and is kept as its name."""
        name: str = self._target
        return name

    @target.setter
    def target(self, value: Any) -> None:
        if value is not None and not isinstance(value, str):
            name = getattr(value, "name", None)
            if not isinstance(name, str):
                checks.refuse("target", "a compute target or its name", value)
            value = name
        self._target = value

    def distribute(self, job: Any) -> None:
        """Take over a PyTorch-, Mpi- or TensorflowConfiguration.

        Raises:
            RunConfigurationException: It is none of them.
        """
        if isinstance(job, PyTorchConfiguration):
            self.pytorch, self.node_count = job, job.node_count
            self.framework, self.communicator = "PyTorch", job.communication_backend.lower()
        elif isinstance(job, MpiConfiguration):
            self.mpi, self.node_count = job, job.node_count
            self.framework, self.communicator = "Python", "IntelMpi"
        elif isinstance(job, TensorflowConfiguration):
            self.tensorflow, self.node_count = job, job.worker_count
            self.framework, self.communicator = "TensorFlow", "ParameterServer"
        else:
            raise RunConfigurationException(
                "distributed_job_config is a PyTorchConfiguration, MpiConfiguration or "
                f"TensorflowConfiguration, not a {type(job).__name__}"
            )

    def save(
        self,
        path: Optional[str] = None,
        name: Optional[str] = None,
        separate_environment_yaml: bool = False,
    ) -> None:
        """Write `<path>/.azureml/<name>` as YAML, or the file `path`.

        Raises:
            UserErrorException: `path` is a folder and no name is given.
            FileNotFoundError: `path` is not there.
        """
        from dispatcher.client.v1.configs.files import save

        save(self, path, name, separate_environment_yaml)

    @staticmethod
    def load(path: str, name: Optional[str] = None) -> RunConfiguration:
        """Read `<path>/.azureml/<name>[.runconfig]`, `<path>/<name>.runconfig` or a file.

        Raises:
            UserErrorException: There is none, or it is not a run configuration; the text names the
                file, the field and what is wrong with it.
        """
        from dispatcher.client.v1.configs.files import load

        return load(RunConfiguration(), path, name)

    @staticmethod
    def delete(path: str, name: str) -> None:
        """Delete the saved configuration. Raises UserErrorException when there is none."""
        from dispatcher.client.v1.configs.files import delete

        delete(path, name)

    def __repr__(self) -> str:
        return f"RunConfiguration(script={self.script!r}, target={self.target!r})"
