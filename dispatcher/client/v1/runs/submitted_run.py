"""The run around this code: `Run.get_context()` inside a submitted run."""

from __future__ import annotations

from dispatcher.client.in_run import context
from dispatcher.client.v1 import class_registry
from dispatcher.client.v1.runs.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple

    from dispatcher.client.in_run.context import RunContext
    from dispatcher.client.v1.workspaces.experiment import Experiment

_current: Optional[SubmittedRun] = None


class SubmittedRun(Run):
    """The run seen from inside: its process's end decides its status, not what is called here.

    Args:
        around: The run's context.
    """

    def __init__(self, around: RunContext) -> None:
        self._context = around
        self._spool = around.spool
        self._run_id = around.run_id
        self._record = {}
        self._buffer = None
        self._tee = None
        self._outputs = []
        self._own_experiment: Optional[Experiment] = None
        self._parent: Optional[Run] = None

    @classmethod
    def current(cls) -> Optional[SubmittedRun]:
        """The run around this code, one object a process and run; None outside of one."""
        global _current
        around = context.current()
        if around is None:
            return None
        if _current is None or _current._context is not around:
            _current = SubmittedRun(around)
        return _current

    @property
    def experiment(self) -> Experiment:
        """The experiment that the run belongs to."""
        if self._own_experiment is None:
            self._own_experiment = _experiment_of(self._context)
        return self._own_experiment

    @property
    def parent(self) -> Optional[Run]:
        """The run's parent, as an `AncestorRun`; None where nothing is above."""
        if self._parent is None:
            from dispatcher.client.v1.runs.ancestors import above

            self._parent = above(self)
        return self._parent

    def above(self, run_id: str) -> Optional[Run]:
        """The run of that id above this one, as an `AncestorRun`, or None."""
        from dispatcher.client.v1.runs.ancestors import above

        return above(self, run_id)

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

        error = error_of(error_details, error_code)
        if not self._context.keep_error(error):
            self._event({"type": "fail", "error": error, "set_status": False})

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

    def __reduce__(self) -> Tuple[Any, ...]:
        """Within the run a copy is the run itself; elsewhere it is the run of that id."""
        return _restored, (self.id, self._context.experiment, self._context.workspace)

    def __enter__(self) -> SubmittedRun:
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


def _restored(run_id: str, experiment: str, workspace: Tuple[str, str, str]) -> Run:
    """The run of a pickled handle: the one around this code, or that of the id."""
    current = SubmittedRun.current()
    if current is not None and current.id == run_id:
        return current
    found = class_registry.get("Workspace")(*workspace)
    return Run(class_registry.get("Experiment")(found, experiment), run_id)


def _experiment_of(around: RunContext) -> Experiment:
    """The experiment of a context, reached with the run's own token."""
    from dispatcher.client.v1.workspaces.config import WorkspaceConfig

    connection = around.connection
    config = WorkspaceConfig(
        *around.workspace, data_folder=around.data_folder, service_url=connection.address.url
    )
    workspace = class_registry.get("Workspace")(
        *around.workspace, _config=config, _connection=connection
    )
    name, experiment_class = around.experiment, class_registry.get("Experiment")
    experiment: Experiment = experiment_class(workspace, name, _create_in_cloud=False)
    return experiment
