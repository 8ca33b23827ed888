"""Restores a HyperDriveConfig from the tags of its run, where v1 keeps it."""

from __future__ import annotations

import json

from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.errors import (
    HyperDriveConfigException,
    HyperDriveRehydrateException,
)
from dispatcher.client.v1.sweeps.policies import EarlyTerminationPolicy, NoTerminationPolicy
from dispatcher.client.v1.sweeps.sampling import HyperParameterSampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_OURS = "_aml_system_"


def config_of(run_id: str, tags: Dict[str, Optional[str]]) -> HyperDriveConfig:
    """The configuration. What it runs is not among the tags: `run_config` is None.

    Raises:
        HyperDriveRehydrateException: The tags are not those of a sweep.
    """
    try:
        sampling = _json(tags, "generator_config")
        metric = _json(tags, "primary_metric_config")
        policy = _json(tags, "policy_config")
        draft: Any = HyperDriveConfig.__new__(HyperDriveConfig)
        draft._sampling = HyperParameterSampling(
            sampling["name"], sampling["parameter_space"], sampling.get("properties")
        )
        draft._primary_metric_config = {"name": metric["name"], "goal": metric["goal"].lower()}
        PrimaryMetricGoal.from_str(metric["goal"])
        draft._further_metrics = json.loads(tags.get(f"{_OURS}further_metrics_config") or "[]")
        draft._policy = (
            EarlyTerminationPolicy(policy["name"], policy.get("properties"))
            if policy["name"] != NoTerminationPolicy.POLICY_NAME
            else NoTerminationPolicy()
        )
        draft._max_total_runs = int(_tag(tags, "max_total_jobs"))
        draft._max_concurrent_runs = int(_tag(tags, "max_concurrent_jobs"))
        draft._max_duration_minutes = int(float(_tag(tags, "max_duration_minutes")))
    except (ValueError, KeyError, TypeError, HyperDriveConfigException) as error:
        raise HyperDriveRehydrateException(
            f"Run {run_id} is not a sweep, or its tags do not say which: {error}"
        ) from error
    draft._run_config = draft._debug_flag = draft._custom_run_id = None
    draft._resume_from, draft._resume_child_runs, draft._targets = [], [], []
    config: HyperDriveConfig = draft
    return config


def _json(tags: Dict[str, Optional[str]], name: str) -> Any:
    return json.loads(_tag(tags, name))


def _tag(tags: Dict[str, Optional[str]], name: str) -> str:
    value = tags.get(f"{_OURS}{name}", tags.get(name))
    if value is None:
        raise KeyError(f"there is no tag {_OURS}{name}")
    return value
