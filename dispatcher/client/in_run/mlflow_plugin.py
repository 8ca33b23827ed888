"""MLflow's plugins in a run: experiment, credentials, and what a first `start_run()` means.

MLflow's client imports this with `import mlflow`, because the runtime's metadata name it. With
MLFLOW_RUN_ID and MLFLOW_EXPERIMENT_NAME alone, `start_run()` fails in a script that names another
experiment or another tracking server. So the plugins remove both and answer in their place, where
MLflow's tracking server is the run's service. What a process starts is tagged by the process, and
the service answers the first of it with the run around it (`services.mlflow.runs`).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

PROCESS_TAG = "dispatcher.process"
AUTH = "dispatcher-run"  # the name of RunAuth in MLFLOW_TRACKING_AUTH
_RUN_ID, _EXPERIMENT = "AZUREML_RUN_ID", "AZUREML_ARM_PROJECT_NAME"
_REPLACED = (("MLFLOW_RUN_ID", _RUN_ID), ("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT))


class ProcessTag:
    """Tags, as MLflow's `RunContextProvider`; MLflow makes one object a process."""

    def __init__(self) -> None:
        self._process = (0, "")
        _remove_variables()
        if os.environ.get(_RUN_ID):
            os.environ.setdefault("MLFLOW_TRACKING_AUTH", AUTH)

    def in_context(self) -> bool:
        """Whether MLflow's tracking server is the service of the run around this process."""
        return _logs_here()

    def tags(self) -> Dict[str, str]:
        """The tag that names this process; a fork is a process of its own."""
        if self._process[0] != os.getpid():
            self._process = os.getpid(), os.urandom(8).hex()
        return {PROCESS_TAG: self._process[1]}


class RunExperiment:
    """The experiment where the script names none, as MLflow's `DefaultExperimentProvider`."""

    def __init__(self) -> None:
        self._known: Optional[str] = None

    def in_context(self) -> bool:
        """Whether MLflow's tracking server is the service of the run around this process."""
        return _logs_here()

    def get_experiment_id(self) -> Optional[str]:
        """The id of the run's experiment."""
        if self._known is None:
            import mlflow

            found = mlflow.get_experiment_by_name(os.environ[_EXPERIMENT])
            self._known = None if found is None else str(found.experiment_id)
        return self._known


class RunAuth:
    """Gives calls of the run's service the run's token, as MLflow's `RequestAuthProvider`.

    A user's name and password, which are for another tracking server, have priority over a token in
    MLflow. Calls of other servers are left as they are.
    """

    def get_name(self) -> str:
        """What MLFLOW_TRACKING_AUTH says."""
        return AUTH

    def get_auth(self) -> Callable[[Any], Any]:
        """What `requests` calls with each request before it is sent."""
        return _authorise


def _authorise(request: Any) -> Any:
    token = os.environ.get("AZUREML_RUN_TOKEN")
    if token and str(request.url).startswith(f"{_service()}/"):
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _service() -> str:
    return os.environ.get("AZUREML_SERVICE_ENDPOINT", "").rstrip("/")


def _remove_variables() -> None:
    """Remove what the service has set; what the user has set stays."""
    for name, source in _REPLACED:
        if source in os.environ and os.environ.get(name) == os.environ[source]:
            del os.environ[name]


def _logs_here() -> bool:
    import mlflow

    is_known = bool(os.environ.get(_RUN_ID)) and bool(os.environ.get(_EXPERIMENT))
    return is_known and mlflow.get_tracking_uri().rstrip("/") == _service()
