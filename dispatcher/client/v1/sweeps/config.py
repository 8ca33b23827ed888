"""HyperDriveConfig: the script, the search space, the objective and the limits of a sweep."""

from __future__ import annotations

from enum import Enum

from dispatcher.client.v1 import class_registry
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException
from dispatcher.client.v1.sweeps.policies import EarlyTerminationPolicy, NoTerminationPolicy
from dispatcher.client.v1.sweeps.sampling import BayesianParameterSampling, HyperParameterSampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Union

    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.experiment import Experiment

MOST_RUNS, MOST_AT_ONCE, MOST_PARENTS = 1000, 100, 5
WEEK = 10080


class PrimaryMetricGoal(Enum):
    """Whether the primary metric is better when it is higher, or when it is lower."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"

    @staticmethod
    def from_str(goal: str) -> PrimaryMetricGoal:
        """The goal of that name, in any case. Raises HyperDriveConfigException: there is none."""
        if isinstance(goal, str) and goal.upper() in PrimaryMetricGoal.__members__:
            return PrimaryMetricGoal[goal.upper()]
        raise HyperDriveConfigException(f"goal is 'MAXIMIZE' or 'MINIMIZE', not {goal!r}.")


class HyperDriveConfig:
    """A sweep.

    Args:
        hyperparameter_sampling: What is tried.
        primary_metric_name: The metric that the script logs. Ours: a list of several, none of
            which counts more than another; the best is then a front (`run.get_pareto_front()`).
        primary_metric_goal: Whether it is to be high or low; of several metrics a list as long.
        max_total_runs: From 1 to 1000.
        max_concurrent_runs: From 1 to 100; default: as many as there are in all.
        max_duration_minutes: How long the sweep may take.
        policy: When a child is ended early; default: never.
        estimator: v1's older way to say what is run: there are none.
        run_config: What is run: a ScriptRunConfig.
        resume_from, resume_child_runs: Sweeps and children to go on from.
        pipeline: There are none.
        debug_flag: v1's; kept.
        custom_run_id: The sweep's id.

    Raises:
        HyperDriveConfigException: An argument cannot be; the text names it.
    """

    def __init__(
        self,
        hyperparameter_sampling: HyperParameterSampling,
        primary_metric_name: Union[str, Sequence[str]],
        primary_metric_goal: Union[PrimaryMetricGoal, Sequence[PrimaryMetricGoal]],
        max_total_runs: int,
        max_concurrent_runs: Optional[int] = None,
        max_duration_minutes: int = WEEK,
        policy: Optional[EarlyTerminationPolicy] = None,
        estimator: Any = None,
        run_config: Optional[ScriptRunConfig] = None,
        resume_from: Any = None,
        resume_child_runs: Any = None,
        pipeline: Any = None,
        debug_flag: Any = None,
        custom_run_id: Optional[str] = None,
    ) -> None:
        _check_work(estimator, run_config, pipeline)
        _require("hyperparameter_sampling", hyperparameter_sampling, HyperParameterSampling)
        _require("policy", policy or NoTerminationPolicy(), EarlyTerminationPolicy)
        metrics = _metrics(primary_metric_name, primary_metric_goal)
        _count("max_total_runs", max_total_runs, MOST_RUNS)
        if max_concurrent_runs is not None:
            _count("max_concurrent_runs", max_concurrent_runs, MOST_AT_ONCE)
        _count("max_duration_minutes", max_duration_minutes, None)
        self._sampling = hyperparameter_sampling
        self._primary_metric_config, *further = metrics
        self._further_metrics: List[Dict[str, str]] = further
        self._max_total_runs = max_total_runs
        self._max_concurrent_runs = max_concurrent_runs or max_total_runs
        self._max_duration_minutes = max_duration_minutes
        self._policy = policy or NoTerminationPolicy()
        self._run_config = run_config
        self._resume_from = _list(resume_from)
        self._resume_child_runs = _list(resume_child_runs)
        self._debug_flag = debug_flag
        self._custom_run_id = custom_run_id
        self._targets: List[str] = []  # ours: these by turns, instead of the run_config's
        self._check_together()
        self._check_parents()

    @property
    def estimator(self) -> Any:
        """None: there are no estimators."""
        return None

    @property
    def run_config(self) -> Optional[ScriptRunConfig]:
        """What is run."""
        return self._run_config

    @property
    def pipeline(self) -> Any:
        """None: there are no pipelines."""
        return None

    @property
    def source_directory(self) -> Optional[str]:
        """The folder of what is run."""
        return self._run_config.source_directory if self._run_config else None

    def submit_to(
        self,
        experiment: Experiment,
        tags: Optional[Dict[str, Any]] = None,
        run_id: Optional[str] = None,
        parent_id: Optional[str] = None,
        **extras: Any,
    ) -> Run:
        """Submit it, as `experiment.submit(config)` does. Raises ExperimentExecutionException."""
        from dispatcher.client.v1.sweeps import submitting

        return submitting.submit(self, experiment, tags, run_id, parent_id, **extras)

    def _check_together(self) -> None:
        bayesian = isinstance(self._sampling, BayesianParameterSampling)
        if bayesian and not isinstance(self._policy, NoTerminationPolicy):
            raise HyperDriveConfigException("policy: Bayesian sampling takes none.")
        if self._further_metrics and not isinstance(self._policy, NoTerminationPolicy):
            raise HyperDriveConfigException(
                "policy: one compares by one metric; with several there is none."
            )
        if len(self._resume_from) > MOST_PARENTS:
            raise HyperDriveConfigException(
                f"resume_from has {len(self._resume_from)} sweeps; it takes {MOST_PARENTS} at most."
            )
        if len(self._resume_child_runs) > self._max_total_runs:
            raise HyperDriveConfigException(
                f"resume_child_runs has {len(self._resume_child_runs)} runs, more than "
                f"max_total_runs, {self._max_total_runs}."
            )

    def _check_parents(self) -> None:
        from dispatcher.client.v1.runs.run import Run

        for child in self._resume_child_runs:
            if not isinstance(child, Run):
                raise HyperDriveConfigException(
                    f"resume_child_runs takes Runs, not {child!r}."[:300]
                )
        ids = []
        for parent in self._resume_from:
            if not isinstance(parent, class_registry.get("HyperDriveRun")):
                raise HyperDriveConfigException(
                    f"resume_from takes HyperDriveRuns, not {parent!r}."[:300]
                )
            ids.append(parent.id)
        if len(set(ids)) != len(ids):
            raise HyperDriveConfigException("resume_from names a sweep twice.")

    def __repr__(self) -> str:
        return f"HyperDriveConfig({self._primary_metric_config}, runs={self._max_total_runs})"


class HyperDriveRunConfig(HyperDriveConfig):
    """v1's older name of HyperDriveConfig."""


def _check_work(estimator: Any, run_config: Any, pipeline: Any) -> None:
    configurations = [one for one in (estimator, run_config, pipeline) if one is not None]
    if len(configurations) != 1:
        raise HyperDriveConfigException(
            f"Give one of estimator, run_config and pipeline; {len(configurations)} are given."
        )
    if run_config is None:
        name = "estimator" if estimator is not None else "pipeline"
        raise HyperDriveConfigException(f"{name}: there are none; give run_config.")
    _require("run_config", run_config, ScriptRunConfig)


def _metrics(names: Any, goals: Any) -> List[Dict[str, str]]:
    if not isinstance(names, (list, tuple)):
        names, goals = [names], [goals]
    elif not isinstance(goals, (list, tuple)) or len(goals) != len(names) or not names:
        goal_count = len(goals) if isinstance(goals, (list, tuple)) else 1
        raise HyperDriveConfigException(
            f"primary_metric_goal is a list with a goal for each of primary_metric_name: there are "
            f"{goal_count} for {len(names)}."
        )
    for name in names:
        if not isinstance(name, str) or not name:
            raise HyperDriveConfigException(f"primary_metric_name is a text, not {name!r}.")
    for goal in goals:
        _require("primary_metric_goal", goal, PrimaryMetricGoal)
    if len(set(names)) < len(names):
        raise HyperDriveConfigException("primary_metric_name names a metric twice.")
    return [
        {"name": name, "goal": goal.value.lower()}
        for name, goal in zip(names, goals)  # noqa: B905
    ]


def _require(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise HyperDriveConfigException(f"{name} is a {kind.__name__}, not {value!r}."[:300])


def _count(name: str, value: Any, most: Optional[int]) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise HyperDriveConfigException(f"{name} is a whole number from 1 on, not {value!r}.")
    if most is not None and value > most:
        raise HyperDriveConfigException(f"{name} is {most} at most, not {value}.")


def _list(value: Any) -> List[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
