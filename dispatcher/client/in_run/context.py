"""The submitted run around this code, known by its environment variables."""

from __future__ import annotations

import os

from dispatcher.client.in_run import runtime_finder
from dispatcher.client.in_run.job_folder import job_folder
from dispatcher.client.in_run.spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.in_run.parking import Parking

_NEEDED = (
    "AZUREML_RUN_ID",
    "AZUREML_RUN_TOKEN",
    "AZUREML_SERVICE_ENDPOINT",
    "AZUREML_ARM_SUBSCRIPTION",
    "AZUREML_ARM_RESOURCEGROUP",
    "AZUREML_ARM_WORKSPACE_NAME",
    "AZUREML_ARM_PROJECT_NAME",
)
_KEY_OWNER = "DISPATCHER_KEY_OWNER"
_RETRY_SECONDS = 120.0
_current: Optional[RunContext] = None


def current() -> Optional[RunContext]:
    """The run around this code, one object a process and run; None outside of one."""
    global _current
    environment = os.environ
    for name in _NEEDED:
        if not environment.get(name):
            return None
    identity = (
        environment["AZUREML_RUN_ID"],
        environment.get("DISPATCHER_ATTEMPT", ""),
        os.getpid(),
    )
    if _current is None or _current.identity != identity:
        _current = RunContext(identity)
        runtime_finder.install()
        environment.setdefault(_KEY_OWNER, str(identity[2]))
    return _current


class RunContext:
    """What a submitted run has around it: its spool, and its way to the service.

    Args:
        identity: Run, attempt and process.

    Attributes:
        run_id: The run.
        spool: Where metrics are appended; None where the run has no folder for it.
    """

    def __init__(self, identity: Tuple[str, str, int]) -> None:
        self.identity = identity
        self.run_id = identity[0]
        self.spool = _spool_of(identity[0], identity[1])
        self._connection: Optional[ApiConnection] = None
        self._parking: Optional[Parking] = None

    @property
    def connection(self) -> ApiConnection:
        """The connection to the service, with the run's own token."""
        if self._connection is None:
            from dispatcher.client.api.connection import ApiConnection
            from dispatcher.client.in_run.service_place import service_address

            address = service_address()
            self._connection = ApiConnection(address, service_address, _RETRY_SECONDS)
        return self._connection

    @property
    def parking(self) -> Parking:
        """How the run gives its slot away while it waits."""
        if self._parking is None:
            from dispatcher.client.in_run.parking import Parking

            self._parking = Parking(self.connection, self.run_id)
        return self._parking

    @property
    def data_folder(self) -> str:
        """Where the client keeps its caches inside the run."""
        return os.path.join(job_folder() or os.getcwd(), "client")

    @property
    def workspace(self) -> Tuple[str, str, str]:
        """Subscription, resource group and name of the run's workspace."""
        environment = os.environ
        return (
            environment["AZUREML_ARM_SUBSCRIPTION"],
            environment["AZUREML_ARM_RESOURCEGROUP"],
            environment["AZUREML_ARM_WORKSPACE_NAME"],
        )

    @property
    def experiment(self) -> str:
        """The name of the run's experiment."""
        return os.environ["AZUREML_ARM_PROJECT_NAME"]

    def keep_error(self, error: Dict[str, Any]) -> bool:
        """Write `error.json` beside the spool, whole or not at all; False where there is none."""
        if self.spool is None:
            return False
        import json

        folder = self.spool.find_folder()
        path = os.path.join(folder, "error.json")
        part = f"{path}.{os.getpid()}"
        with open(part, "w", encoding="utf-8") as file:
            json.dump(error, file)
        os.replace(part, path)
        return True


def _spool_of(run_id: str, attempt: str) -> Optional[Spool]:
    folder = job_folder()
    if folder is None:
        return None
    job = os.environ.get("DISPATCHER_JOB", "")
    own, _, host = job.rpartition(".")
    # Each further host of a gang has a spool, and so a stream, of its own.
    stream = f"metrics-{host}" if own == f"{run_id}-{attempt}" and host else "metrics"
    return Spool(folder, run_id, int(attempt or 1), stream)
