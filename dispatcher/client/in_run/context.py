"""The submitted run around this code, known by its environment variables."""

from __future__ import annotations

import os

from dispatcher.client.in_run.spool import Spool
from dispatcher.client.v1.runs.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from dispatcher.client.in_run.parking import Parking
    from dispatcher.client.v1.workspaces.experiment import Experiment

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
_current: Optional[_SubmittedRun] = None


def submitted_run() -> Optional[_SubmittedRun]:
    """The run around this code, one object per process and run; None outside of one."""
    global _current
    told = os.environ
    for name in _NEEDED:
        if not told.get(name):
            return None
    here = (told["AZUREML_RUN_ID"], told.get("DISPATCHER_ATTEMPT", ""), os.getpid())
    if _current is None or _current._here != here:
        _current = _SubmittedRun(here)
        told.setdefault(_KEY_OWNER, str(here[2]))
    return _current


class _SubmittedRun(Run):
    """The run seen from inside: its process's end decides its status, not what is called here."""

    def __init__(self, here: tuple[str, str, int]) -> None:
        self._here = here
        self._run_id = here[0]
        self._record = {}
        self._buffer = None
        self._tee = None
        self._outputs = []
        self._spool = _spool_of(here[0], here[1])
        self._own_experiment: Optional[Experiment] = None
        self._parking: Optional[Parking] = None
        self._parent: Optional[Run] = None

    @property
    def experiment(self) -> Experiment:
        """The experiment that the run belongs to."""
        if self._own_experiment is None:
            from dispatcher.client.in_run.reaching import experiment

            self._own_experiment = experiment()
        return self._own_experiment

    @property
    def parent(self) -> Optional[Run]:
        """The run's parent, as an `AncestorRun`; None where nothing is above."""
        if self._parent is None:
            from dispatcher.client.v1.runs.ancestors import above

            self._parent = above(self)
        return self._parent

    @property
    def parking(self) -> Parking:
        """How the run gives its slot away while it waits."""
        if self._parking is None:
            from dispatcher.client.in_run.parking import Parking

            self._parking = Parking(self._service, self.id)
        return self._parking

    def complete(self, _set_status: bool = True) -> None:
        """Bring the metrics to the service; the status follows the process."""
        self.flush()

    def fail(
        self, error_details: Any = None, error_code: Optional[str] = None, _set_status: bool = True
    ) -> None:
        """Record the error; the status follows the process: with exit code 0 it completes.

        Raises:
            TypeError: `error_details` is neither a text nor an exception.
        """
        from dispatcher.client.in_run.failure import error_of
        from dispatcher.client.in_run.reaching import keep_error

        error = error_of(error_details, error_code)
        if self._spool is None:
            self._event({"type": "fail", "error": error, "set_status": False})
        else:
            keep_error(self._spool.folder, error)

    def cancel(self) -> None:
        """Does nothing but warn: a run cannot cancel itself from inside."""
        import warnings

        warnings.warn("Run.cancel() has no effect inside a submitted run.", stacklevel=2)

    def flush(self, timeout_seconds: int = 300) -> None:
        """Bring what the run has logged to the service, now. Without it the shim does so soon."""
        if self._spool is None:
            super().flush(timeout_seconds)
        elif not self._spool.is_empty():
            self._spool.ship(self._service)

    def __enter__(self) -> _SubmittedRun:
        return self

    def __exit__(self, *error: object) -> None:  # type: ignore[override]
        """Let the exception pass: the process's end decides."""

    def _append(self, line: Optional[str]) -> None:
        if self._spool is None:
            super()._append(line)
        elif line is not None:
            self._spool.append(line)

    @property
    def input_datasets(self) -> dict[str, Any]:
        """Always empty: there are no datasets."""
        return {}

    @property
    def output_datasets(self) -> dict[str, Any]:
        """Always empty: there are no datasets."""
        return {}


def _spool_of(run_id: str, attempt: str) -> Optional[Spool]:
    folder = os.environ.get("DISPATCHER_JOB_DIR")
    if not folder:
        return None
    job = os.environ.get("DISPATCHER_JOB", "")
    own, _, host = job.rpartition(".")
    # Each further host of a gang has a spool, and so a stream, of its own.
    stream = f"metrics-{host}" if own == f"{run_id}-{attempt}" and host else "metrics"
    return Spool(folder, run_id, int(attempt or 1), stream)
