"""A run: `Run`, and `ScriptRun` for one that was submitted as a script."""
# ruff: noqa: ARG001, ARG002, ARG003  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.api import runs
from dispatcher.client.v1 import class_registry
from dispatcher.client.v1.runs import run_types
from dispatcher.client.v1.runs.children import RunChildren
from dispatcher.client.v1.runs.metrics import LoggedMetrics
from dispatcher.client.v1.runs.plots import RunPlots
from dispatcher.client.v1.runs.snapshot import RunSnapshot
from dispatcher.client.v1.runs.tags import RunTags
from dispatcher.client.v1.runs.waiting import RunWaiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import (
        Any,
        Callable,
        Dict,
        Iterator,
        List,
        NoReturn,
        Optional,
        Sequence,
        Type,
        Union,
    )

    from dispatcher.client.in_run.metric_buffer import LineBuffer
    from dispatcher.client.in_run.tee import Tee
    from dispatcher.client.v1.compute.targets import ComputeTarget
    from dispatcher.client.v1.environments.environment import Environment
    from dispatcher.client.v1.runs.children import Filter
    from dispatcher.client.v1.runs.offline import OfflineRun
    from dispatcher.client.v1.runs.outputs import Folders
    from dispatcher.client.v1.workspaces.experiment import Experiment
    from dispatcher.client.v1.workspaces.workspace import Workspace


@checks.checked_class
class Run(LoggedMetrics, RunPlots, RunSnapshot, RunTags, RunWaiting, RunChildren):
    """A run of an experiment.

    Args:
        experiment: The experiment.
        run_id: The run's id.
        outputs: Folders whose files are kept when this object ends the run; None for none.

    Raises:
        ServiceException: There is no such run (404).
    """

    def __init__(
        self,
        experiment: Experiment,
        run_id: str,
        outputs: Any = None,
        _record: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        self._experiment = experiment
        self._run_id = run_id
        record: Any = {} if _record is None else _record
        self._record = record
        self._buffer: Optional[LineBuffer] = None
        self._tee: Optional[Tee] = None
        self._outputs: Folders = []
        if outputs is not None:
            from dispatcher.client.v1.runs import outputs as run_outputs

            self._outputs = run_outputs.make(outputs)
        if _record is None:
            self._refresh()

    @classmethod
    def get_context(
        cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any
    ) -> Union[Run, OfflineRun]:
        """The run that this code runs in.

        Args:
            allow_offline: Outside of a submitted run answer an offline run, which prints what it
                would log; a new one at each call.

        Raises:
            RunEnvironmentException: Outside of a submitted run, and `allow_offline` is False.
        """
        from dispatcher.client.in_run import context

        if context.current() is not None:
            run: Run = class_registry.get("SubmittedRun").current()
            return run
        if not allow_offline:
            from dispatcher.client.errors import RunEnvironmentException

            raise RunEnvironmentException()
        from dispatcher.client.v1.runs.offline import OfflineRun

        return OfflineRun()

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> Union[Run, OfflineRun]:
        """v1's older form of `get_context(allow_offline=False)`."""
        return cls.get_context(allow_offline=False)

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> Run:
        """The run of that id, as its own class. Raises ServiceException (404) when unknown."""
        from dispatcher.client.v1.runs.listing import fetch

        return fetch(workspace, run_id)

    @staticmethod
    def list(
        experiment: Experiment,
        type: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        status: Optional[str] = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """Yield the runs of an experiment, newest first; see `get_children` for the filters."""
        from dispatcher.client.v1.runs.listing import runs

        query: Any = [("experiment", experiment.name), ("include_children", int(include_children))]
        return runs(experiment, query, type, tags, properties, status, rehydrate=_rehydrate_runs)

    @staticmethod
    def list_by_compute(
        compute: ComputeTarget,
        type: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        status: Optional[str] = None,
    ) -> Iterator[Run]:
        """Yield the runs of all experiments on a target, newest first."""
        from dispatcher.client import checks
        from dispatcher.client.v1.compute.targets import ComputeTarget
        from dispatcher.client.v1.runs.listing import on_target

        checks.instance("compute", compute, ComputeTarget)
        return on_target(compute.workspace, compute.name, type, tags, properties, status)

    def get_secret(self, name: str) -> NoReturn:
        """There is no key vault. Raises UserErrorException."""
        self.get_secrets([name])

    def get_secrets(self, secrets: Sequence[str]) -> NoReturn:
        """There is no key vault. Raises UserErrorException."""
        from dispatcher.client.errors import UserErrorException

        raise UserErrorException(
            f"There is no key vault for {secrets!r}: pass secrets to the run as environment "
            "variables (run_config.environment_variables)."
        )

    @staticmethod
    def add_type_provider(runtype: str, run_factory: Callable[..., Run]) -> None:
        """Have runs of a type answered as another class: `run_factory(experiment, run_id, …)`."""
        run_types.add(runtype, run_factory)

    def start(self) -> None:
        """v1's start event: a run made by this library is started already."""

    def complete(self, _set_status: bool = True) -> None:
        """Bring metrics and outputs to the service and mark the run Completed."""
        self._bring()
        if _set_status:
            self._event({"type": "complete"})

    def fail(
        self, error_details: Any = None, error_code: Optional[str] = None, _set_status: bool = True
    ) -> None:
        """Mark the run Failed; children and siblings are untouched unless a policy says so.

        Args:
            error_details: A text or an exception.
            error_code: Default "UserError".

        Raises:
            TypeError: `error_details` is something else; nothing has changed.
        """
        from dispatcher.client.in_run.failure import error_of

        error = error_of(error_details, error_code)
        self._bring()
        self._event({"type": "fail", "error": error, "set_status": _set_status})

    def cancel(self) -> None:
        """Ask for the run and its descendants to be canceled; on an ended run nothing happens."""
        self._bring()
        self._record = runs.cancel(self._service, self.id)

    def flush(self, timeout_seconds: int = 300) -> None:
        """Bring what was logged through this object to the service, now."""
        if self._buffer is not None and self._buffer.is_of_this_process:
            self._buffer.flush(timeout_seconds)

    def get_environment(self) -> Environment:
        """The environment that the run was submitted with.

        Raises:
            UserErrorException: The run is interactive and has none.
        """
        from dispatcher.client.v1.environments.definition import environment_of_run

        return environment_of_run(self._known("definition"))

    def clean(self) -> List[str]:
        """What v1 had to delete on the target: nothing, because the agent does it at the end.

        Returns:
            The deleted files: an empty list.

        Raises:
            UserErrorException: The run has not ended: its folder is in use. Cancel it first.
        """
        if not self._is_over():
            from dispatcher.client.errors import UserErrorException

            raise UserErrorException(
                f"Run {self.id} is {self.status}: its folder is in use. Cancel it, or wait for it."
            )
        return []

    def __getstate__(self) -> Dict[str, Any]:
        """A pickled or copied run has no lines that wait: they are sent before, by this object."""
        self.flush()
        return {**self.__dict__, "_buffer": None, "_tee": None}

    def __enter__(self) -> Run:
        from dispatcher.client.in_run import tee
        from dispatcher.client.in_run.metric_buffer import LineBuffer

        if self._tee is None:
            attempt = int(self._known("attempt") or 1)
            self._tee = tee.Tee(LineBuffer(self._service, self.id, attempt, f"log:{tee.LOG}"))
            self._tee.start()
        return self

    def __exit__(
        self,
        exit_type: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool:
        if self._tee is not None:
            self._tee.stop()
            self._tee = None
        if isinstance(value, SystemExit) and value.code in (None, 0):
            self.complete()
            return True
        if value is not None:
            self.fail(value)
            return False
        self.complete()
        return False

    def _append(self, line: Optional[str]) -> None:
        if line is None:
            return
        if self._buffer is None or not self._buffer.is_of_this_process:
            from dispatcher.client.in_run.metric_buffer import LineBuffer

            self._buffer = LineBuffer(self._service, self.id, int(self._known("attempt") or 1))
            if self._record.get("interactive") and not self._record.get("terminal"):
                self._service.heartbeat.add(self.id)  # whoever logs to it drives it
        self._buffer.append(line)

    def _bring(self) -> None:
        self.flush()
        if self._outputs:
            from dispatcher.client.v1.runs import outputs as run_outputs

            run_outputs.keep(self, self._outputs)

    def _populated(self, run_id: str, values: Dict[str, Any]) -> Dict[str, Any]:
        from dispatcher.client.v1.runs.plots import populated

        run = self if run_id == self.id else Run(self.experiment, run_id, _record={})
        return populated(run, values)

    def _event(self, event: Dict[str, Any]) -> None:
        self._record = runs.post_event(self._service, self.id, event)
        if self._record.get("terminal"):
            self._service.heartbeat.discard(self.id)


@checks.checked_class
class ScriptRun(Run):
    """A run of a script.

    Args:
        experiment: The experiment.
        run_id: The run's id.
        directory: Kept for v1's sake.
    """

    RUN_TYPE = "azureml.scriptrun"

    def __init__(
        self,
        experiment: Experiment,
        run_id: str,
        directory: Optional[str] = None,
        _run_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment, run_id, **kwargs)
        self._directory = directory
        self._run_config = _run_config


run_types.add(run_types.ANY, Run)
run_types.add(ScriptRun.RUN_TYPE, ScriptRun)


@checks.checked
def get_run(
    experiment: Experiment, run_id: str, rehydrate: bool = True, clean_up: bool = True
) -> Run:
    """The run of that id: as its own class, or as a plain `Run` without `rehydrate`."""
    from dispatcher.client.v1.runs.listing import fetch

    return fetch(experiment.workspace, run_id) if rehydrate else Run(experiment, run_id)
