"""Sections of a run configuration: distribution, Docker, history."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import RunConfigurationException
from dispatcher.client.v1.configs.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional


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
        if arguments is not None:
            checks.lists_of_texts(arguments=arguments)
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
        self.process_count = checks.count("process_count", process_count, or_none=True)
        self.node_count = checks.count("node_count", node_count)
        self._seal()


class MpiConfiguration(Section):
    """An MPI job.

    Args:
        process_count_per_node: Processes on each node.
        node_count: The nodes.
    """

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = checks.count("process_count_per_node", process_count_per_node)
        self.node_count = checks.count("node_count", node_count)
        self._seal()


class TensorflowConfiguration(Section):
    """A TensorFlow job of workers and parameter servers; each worker takes a node.

    Args:
        worker_count: The workers.
        parameter_server_count: The parameter servers.
    """

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = checks.count("worker_count", worker_count)
        self.parameter_server_count = checks.count(
            "parameter_server_count", parameter_server_count, least=0
        )
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
