"""How a run is to be run, under Azure ML v1's names."""

from __future__ import annotations

from dispatcher.client.environment import Environment
from dispatcher.client.errors import RunConfigurationException
from dispatcher.client.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union


class DockerConfiguration(Section):
    """Whether and how a run uses a container.

    Args:
        use_docker: Run in the environment's image.
        shared_volumes: Kept for v1's sake.
        arguments: Further arguments of `docker run`.
        shm_size: Size of /dev/shm, such as "2g".
    """

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: Optional[List[str]] = None,
        shm_size: str = "2g",
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = list(arguments or [])
        self.shm_size = shm_size
        self._seal()


class PyTorchConfiguration(Section):
    """A PyTorch job of several processes.

    Args:
        communication_backend: "Nccl" or "Gloo", in any case.
        process_count: All processes together; None: one on each node.
        node_count: The nodes.

    Raises:
        RunConfigurationException: Another backend.
    """

    def __init__(
        self,
        communication_backend: str = "Nccl",
        process_count: Optional[int] = None,
        node_count: int = 1,
    ) -> None:
        if str(communication_backend).lower() not in ("nccl", "gloo"):
            raise RunConfigurationException(
                f"communication_backend is 'Nccl' or 'Gloo', not {communication_backend!r}"
            )
        self.communication_backend = communication_backend
        self.process_count = process_count
        self.node_count = node_count
        self._seal()


class MpiConfiguration(Section):
    """An MPI job.

    Args:
        process_count_per_node: Processes on each node.
        node_count: The nodes.
    """

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count
        self._seal()


class TensorflowConfiguration(Section):
    """A TensorFlow job of workers and parameter servers; each worker takes a node.

    Args:
        worker_count: The workers.
        parameter_server_count: The parameter servers.
    """

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count
        self._seal()


class HistoryConfiguration(Section):
    """What is kept of a run: its folder `outputs`, and the folders whose files are followed as logs
    while it runs. `snapshot_project` is without effect: the snapshot is always kept.
    """

    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]
        self._seal()


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
        self.output_data: Dict[str, Any] = {}
        self.services: Dict[str, Any] = {}
        self.source_directory_data_store: Optional[str] = None
        self.credential_passthrough = False
        self._set_ours()
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self._seal()

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
        self._target = value if value is None or isinstance(value, str) else value.name

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
        """Write `<path>/.azureml/<name>` as YAML, or the file `path`. Needs PyYAML.

        Raises:
            UserErrorException: `path` is a folder and no name is given, or PyYAML is missing.
            FileNotFoundError: `path` is not there.
        """
        from dispatcher.client.config_file import save

        save(self, path, name, separate_environment_yaml)

    @staticmethod
    def load(path: str, name: Optional[str] = None) -> RunConfiguration:
        """Read `<path>/.azureml/<name>[.runconfig]`, `<path>/<name>.runconfig` or a file.

        Raises:
            UserErrorException: There is none, or PyYAML is missing.
        """
        from dispatcher.client.config_file import load

        return load(path, name)

    @staticmethod
    def delete(path: str, name: str) -> None:
        """Delete the saved configuration. Raises UserErrorException when there is none."""
        from dispatcher.client.config_file import delete

        delete(path, name)

    def __repr__(self) -> str:
        return f"RunConfiguration(script={self.script!r}, target={self.target!r})"
