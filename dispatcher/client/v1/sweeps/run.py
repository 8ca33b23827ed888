"""HyperDriveRun: a sweep, its trials and their ranking."""

from __future__ import annotations

from dispatcher.client.api import sweeps
from dispatcher.client.v1.runs import run_types
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.sweeps.errors import (
    HyperDriveNotImplementedException,
    HyperDriveRehydrateException,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional

    from dispatcher.client.v1.sweeps.config import HyperDriveConfig
    from dispatcher.client.v1.workspaces.experiment import Experiment


class HyperDriveRun(Run):
    """A sweep.

    Args:
        experiment: The experiment.
        run_id: The run's id.
        hyperdrive_config: What it was asked for with, where that is known.
    """

    RUN_TYPE = "hyperdrive"
    HYPER_DRIVE_RUN_USER_AGENT = "sdk_run_hyper_drive"

    def __init__(
        self,
        experiment: Experiment,
        run_id: str,
        hyperdrive_config: Optional[HyperDriveConfig] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment, run_id, **kwargs)
        self._hyperdrive_config = hyperdrive_config

    @property
    def hyperdrive_config(self) -> HyperDriveConfig:
        """What it was asked for with; for a sweep that was found, as its tags tell it: what it
        runs is not known then. Raises HyperDriveRehydrateException: it is not a sweep.
        """
        if self._hyperdrive_config is None:
            from dispatcher.client.v1.sweeps import rehydrating

            self._hyperdrive_config = rehydrating.config_of(self.id, self.tags)
        return self._hyperdrive_config

    def cancel(self) -> None:
        """Ask for the sweep and its children to be canceled."""
        super().cancel()

    def get_metrics(self) -> Dict[str, Dict[str, Any]]:  # type: ignore[override]
        """The metrics of the children: `{run id: {name: value}}`."""
        metrics = super().get_metrics(recursive=True)
        metrics.pop(self.id, None)
        return metrics

    def get_hyperparameters(self) -> Dict[str, str]:
        """What each child tries, as JSON: `{run id: values}`."""
        hyperparameters: Dict[str, str] = {}
        after: Optional[int] = -1
        while after is not None:
            page = self._ask("trials", [("after", after), ("limit", 1000)])
            hyperparameters.update(
                (row["run_id"], row["hyperparameters"]) for row in page["trials"]
            )
            after = page["next"]
        return hyperparameters

    def get_best_run_by_primary_metric(
        self,
        include_failed: bool = True,
        include_canceled: bool = True,
        include_resume_from_runs: bool = True,
    ) -> Optional[Run]:
        """The child with the best value of all that it has logged; None if none has logged any.

        Of a sweep that goes by several metrics: by the first of them, by the last value of each
        child that has all; `get_pareto_front` is what such a sweep has found.

        Args:
            include_failed, include_canceled: Whether those count.
            include_resume_from_runs: Whether children of the sweeps that it goes on from count.
        """
        left_out = [
            status
            for status, is_in in (("Failed", include_failed), ("Canceled", include_canceled))
            if not is_in
        ]
        query = [("discard_no_metric", 1), ("include_resumed", int(include_resume_from_runs))]
        for child in self._ask("ranking", query if left_out else [*query, ("top", 1)])["trials"]:
            if child["status"] not in left_out:
                return Run(self.experiment, child["run_id"])
        return None

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> List[Dict[str, Any]]:
        """The children, best first, those without a value last.

        Args:
            top: How many; 0: all.
            reverse: Worst first.
            discard_no_metric: Leave out those without a value.

        Returns:
            Dicts of `run_id`, `hyperparameters` (JSON), `best_primary_metric` and `status`.

        Raises:
            AssertionError: An argument is of the wrong kind, as in v1.
        """
        if isinstance(top, bool) or not isinstance(top, int) or top < 0:
            raise AssertionError(f"top is a whole number from 0 on, not {top!r}")
        for name, flag in (("reverse", reverse), ("discard_no_metric", discard_no_metric)):
            if not isinstance(flag, bool):
                raise AssertionError(f"{name} is True or False, not {flag!r}")
        query = [("reverse", int(reverse)), ("discard_no_metric", int(discard_no_metric))]
        if top:
            query.append(("top", top))
        keys = ("run_id", "hyperparameters", "best_primary_metric", "status")
        return [{key: row[key] for key in keys} for row in self._ask("ranking", query)["trials"]]

    def get_pareto_front(self, include_resume_from_runs: bool = True) -> List[Dict[str, Any]]:
        """Ours: the children that no other is better than in every metric.

        With several metrics the best is a front: who is on it can be bettered in one metric only
        at the price of another. With one metric it is the best child, and those that equal it.

        Returns:
            Dicts of `run_id`, `hyperparameters` (JSON), `metrics` (by name) and `status`; the best
            by the first metric first. Children that lack a metric are not on it.
        """
        query = [("include_resumed", int(include_resume_from_runs))]
        keys = ("run_id", "hyperparameters", "metrics", "status")
        return [{key: row[key] for key in keys} for row in self._ask("front", query)["trials"]]

    def wait_for_completion(
        self,
        show_output: bool = False,
        wait_post_processing: bool = False,
        raise_on_error: bool = True,
        timeout: Optional[float] = None,
    ) -> Dict[str, Any]:
        """Wait until the sweep is over, as `Run.wait_for_completion`.

        Args:
            show_output: Print the sweep's log and the table of its best children as they come.
            wait_post_processing, raise_on_error, timeout: As there.
        """
        if not show_output:
            return super().wait_for_completion(False, wait_post_processing, raise_on_error, timeout)
        from dispatcher.client.v1.sweeps import showing

        showing.show(self, timeout)
        return super().wait_for_completion(False, wait_post_processing, raise_on_error, timeout)

    def pause(self) -> None:
        """Start no further children until `resume`; those that run go on."""
        self._steer("pause")

    def resume(self) -> None:
        """Go on."""
        self._steer("resume")

    def extend(self, add: int) -> None:
        """Let it try so many sets of values more. Raises UserErrorException once it is over."""
        self._steer("extend", {"add": add})

    def retry_failed(self) -> HyperDriveRun:
        """Try what has failed once more: in this sweep, or once it is over in one of its own.

        Returns:
            The sweep that tries it.

        Raises:
            UserErrorException: Nothing has failed.
        """
        if not self._is_over():
            self._steer("retry")
            return self
        import uuid

        record = self._steer("again", {"id": f"HD_{uuid.uuid4()}"})
        return HyperDriveRun(self.experiment, record["id"], _record=record)

    def progress(self) -> Dict[str, Any]:
        """What was asked for, how many children stand how, and whether it is paused."""
        return sweeps.read(self._service, self.id)

    def get_diagnostics(self) -> NoReturn:
        """v1 has none for a sweep either. Raises HyperDriveNotImplementedException."""
        raise HyperDriveNotImplementedException("Get diagnostics is unsupported for HyperDrive.")

    def fail(self) -> NoReturn:  # type: ignore[override]
        """A sweep cannot be failed. Raises HyperDriveNotImplementedException."""
        raise HyperDriveNotImplementedException("Fail is unsupported for HyperDrive: use cancel().")

    def _ask(self, what: str, query: Any) -> Dict[str, Any]:
        from dispatcher.client.errors import ServiceException

        try:
            return sweeps.read_part(self._service, self.id, what, query)
        except ServiceException as error:
            if error.status_code != 404:
                raise
            raise HyperDriveRehydrateException(f"Run {self.id} is not a sweep.") from error

    def _steer(self, verb: str, body: Any = None) -> Dict[str, Any]:
        from dispatcher.client.errors import ServiceException, UserErrorException

        try:
            return sweeps.steer(self._service, self.id, verb, body)
        except ServiceException as error:
            if error.status_code not in (404, 409, 422):
                raise
            raise UserErrorException(error.message, inner_exception=error) from error


run_types.add(HyperDriveRun.RUN_TYPE, HyperDriveRun)
