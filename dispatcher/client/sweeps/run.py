"""The run that a sweep is: its children in order of what they have reached."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.run import CLASS_OF_TYPE, Run
from dispatcher.client.sweeps.errors import (
    HyperDriveNotImplementedException,
    HyperDriveRehydrateException,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional

    from dispatcher.client.experiment import Experiment
    from dispatcher.client.sweeps.config import HyperDriveConfig

_OURS = "_aml_system_"
_FACTS = (
    *("primary_metric_config", "generator_config", "policy_config", "platform_config"),
    *("max_total_jobs", "max_concurrent_jobs", "max_duration_minutes"),
)


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
    def hyperdrive_config(self) -> Optional[HyperDriveConfig]:
        """What it was asked for with; None for a sweep that was found."""
        return self._hyperdrive_config

    def cancel(self) -> None:
        """Ask for the sweep and its children to be canceled."""
        super().cancel()

    def get_metrics(self) -> Dict[str, Dict[str, Any]]:  # type: ignore[override]
        """The metrics of the children: `{run id: {name: value}}`."""
        found = super().get_metrics(recursive=True)
        found.pop(self.id, None)
        return found

    def get_hyperparameters(self) -> Dict[str, str]:
        """What each child tries, as JSON, as the tags say that this object has."""
        found = {}
        for key, value in self.tags.items():
            name = key[len(_OURS) :] if key.startswith(_OURS) else key
            if name.startswith(f"{self.id}_") and value is not None:
                found[name] = value
        return found

    def get_best_run_by_primary_metric(
        self,
        include_failed: bool = True,
        include_canceled: bool = True,
        include_resume_from_runs: bool = True,
    ) -> Optional[Run]:
        """The child with the best value of all that it has logged; None if none has logged any.

        Args:
            include_failed, include_canceled: Whether those count.
            include_resume_from_runs: v1's; children of other sweeps do not count.
        """
        out = {"Failed": include_failed, "Canceled": include_canceled}
        for child in self.get_children_sorted_by_primary_metric(discard_no_metric=True):
            if out.get(child["status"], True):
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
        metric, is_high = self._goal()
        self._refresh()
        tried, logged = self.get_hyperparameters(), self.get_metrics()
        children = [
            {
                "run_id": child.id,
                "hyperparameters": tried.get(child.id),
                "best_primary_metric": _best(logged.get(child.id, {}).get(metric), is_high),
                "status": child.status,
            }
            for child in self.get_children()
        ]
        with_value = [child for child in children if child["best_primary_metric"] is not None]
        with_value.sort(key=lambda child: child["best_primary_metric"], reverse=is_high != reverse)
        rest = [child for child in children if child["best_primary_metric"] is None]
        found = with_value if discard_no_metric else with_value + rest
        return found[:top] if top else found

    def get_diagnostics(self) -> NoReturn:
        """v1 has none for a sweep either. Raises HyperDriveNotImplementedException."""
        raise HyperDriveNotImplementedException("Get diagnostics is unsupported for HyperDrive.")

    def fail(self) -> NoReturn:  # type: ignore[override]
        """A sweep cannot be failed. Raises HyperDriveNotImplementedException."""
        raise HyperDriveNotImplementedException("Fail is unsupported for HyperDrive: use cancel().")

    def _goal(self) -> tuple[str, bool]:
        """The primary metric, and whether it is to be high."""
        import json

        tags = self.tags
        told = tags.get(f"{_OURS}{_FACTS[0]}") or tags.get(_FACTS[0])
        try:
            facts = json.loads(told or "")
            return str(facts["name"]), str(facts["goal"]).lower() == "maximize"
        except (ValueError, KeyError, TypeError) as error:
            raise HyperDriveRehydrateException(
                f"Run {self.id} is no sweep: its tag {_OURS}{_FACTS[0]} is {told!r}."
            ) from error


def _best(values: Any, is_high: bool) -> Any:
    """The best of all values that were logged; None if there are none."""
    numbers = [
        value
        for value in (values if isinstance(values, list) else [values])
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
    ]
    if not numbers:
        return None
    return max(numbers) if is_high else min(numbers)


CLASS_OF_TYPE[HyperDriveRun.RUN_TYPE] = HyperDriveRun
