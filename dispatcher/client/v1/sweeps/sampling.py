"""Sampling classes: how the next values of the hyperparameters are chosen."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Sequence

_ALL = (
    *("choice", "randint", "uniform", "quniform", "loguniform", "qloguniform"),
    *("normal", "qnormal", "lognormal", "qlognormal"),
)


class HyperParameterSampling:
    """A way to find values.

    Args:
        sampling_method_name: Its name in JSON; beside v1's there are TPE, CMAES, GP, NSGAII, QMC.
        parameter_space: Name → expression, such as `choice(1, 2)`.
        properties: Further settings: `seed`, `constraints`, `population_size`.
        supported_distributions: The expressions that it can do with; default: all.
        distributions_validators: v1's; without a meaning here.

    Raises:
        HyperDriveConfigException: The space is empty, or has what cannot be.
    """

    def __init__(
        self,
        sampling_method_name: str,
        parameter_space: Dict[str, Any],
        properties: Optional[Dict[str, Any]] = None,
        supported_distributions: Optional[Sequence[str]] = None,
        distributions_validators: Any = None,
    ) -> None:
        self._name = sampling_method_name
        self._parameter_space = parameter_space
        self._properties = properties
        _check(sampling_method_name, parameter_space, supported_distributions or _ALL)
        if properties is not None and not isinstance(properties, dict):
            raise HyperDriveConfigException(f"properties is a dict, not {properties!r}.")

    def to_json(self) -> Dict[str, Any]:
        """v1's `generator_config`."""
        fields = {"name": self._name, "parameter_space": dict(self._parameter_space)}
        return fields if self._properties is None else {**fields, "properties": self._properties}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HyperParameterSampling) and other.to_json() == self.to_json()

    def __hash__(self) -> int:
        return hash(self._name)


class RandomParameterSampling(HyperParameterSampling):
    """Values at random."""

    SAMPLING_NAME = "RANDOM"

    def __init__(
        self, parameter_space: Dict[str, Any], properties: Optional[Dict[str, Any]] = None
    ) -> None:
        super().__init__(self.SAMPLING_NAME, parameter_space, properties)


class GridParameterSampling(HyperParameterSampling):
    """Every combination once: all parameters are choices."""

    SAMPLING_NAME = "GRID"

    def __init__(
        self, parameter_space: Dict[str, Any], properties: Optional[Dict[str, Any]] = None
    ) -> None:
        super().__init__(self.SAMPLING_NAME, parameter_space, properties, ("choice",))


class BayesianParameterSampling(HyperParameterSampling):
    """Values that the results so far speak for: choice, uniform and quniform."""

    SAMPLING_NAME = "BayesianOptimization"

    def __init__(
        self, parameter_space: Dict[str, Any], properties: Optional[Dict[str, Any]] = None
    ) -> None:
        known = ("choice", "uniform", "quniform")
        super().__init__(self.SAMPLING_NAME, parameter_space, properties, known)


def _check(name: str, space: Any, known: Sequence[str]) -> None:
    if not isinstance(space, dict) or not space:
        raise HyperDriveConfigException(
            f"parameter_space is a dict with a parameter at least, not {space!r}."
        )
    for key, expression in space.items():
        if not isinstance(key, str) or not key:
            raise HyperDriveConfigException(f"parameter_space: {key!r} is not a parameter's name.")
        is_one = isinstance(expression, (list, tuple)) and len(expression) in (2, 3)
        if not is_one or expression[0] not in _ALL:
            raise HyperDriveConfigException(
                f"parameter_space: {key} is not an expression but {expression!r}; give choice(…), "
                "uniform(…), …"
            )
        if len(expression) == 3:
            _check_condition(key, expression[2], space)
        if expression[0] not in known:
            raise HyperDriveConfigException(
                f"parameter_space: {key} is a {expression[0]}; {name} takes {', '.join(known)}."
            )


def _check_condition(key: str, condition: Any, space: Dict[str, Any]) -> None:
    if not isinstance(condition, dict) or not condition:
        raise HyperDriveConfigException(
            f"parameter_space: {key}: its condition is a dict such as {{other: [values]}}, not "
            f"{condition!r}."
        )
    for parent, values in condition.items():
        if parent not in space:
            raise HyperDriveConfigException(
                f"parameter_space: {key} exists by {parent!r}, which is not a parameter."
            )
        if isinstance(values, (list, tuple)) and not values:
            raise HyperDriveConfigException(
                f"parameter_space: {key} exists for no value of {parent}."
            )
