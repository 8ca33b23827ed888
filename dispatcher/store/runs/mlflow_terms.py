"""MLflow's words that the stores must know: its statuses, and the tags that mean something."""

from collections.abc import Mapping

from dispatcher.core.runs.lifecycle import Status

RUN_NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
USER_TAG = "mlflow.user"
PROCESS_TAG = "dispatcher.process"  # as in client.in_run.mlflow_plugin
# A fact of the installation, by the id of an experiment that was deleted in MLflow: when that was.
DELETED_EXPERIMENT = "mlflow-deleted-experiment:"
DELETED = "deleted"  # the kind of the record that marks a run as deleted in MLflow's view
_BEFORE_START = (Status.STARTING, Status.PREPARING, Status.QUEUED, Status.PROVISIONING)
# All others are RUNNING.
MLFLOW_STATUS: Mapping[str, str] = {
    **{status.value: "SCHEDULED" for status in _BEFORE_START},
    Status.COMPLETED.value: "FINISHED",
    Status.FAILED.value: "FAILED",
    Status.CANCELED.value: "KILLED",
}
