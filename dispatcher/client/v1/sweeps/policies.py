"""Early termination policies."""

from __future__ import annotations

from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class EarlyTerminationPolicy:
    """A rule that is looked at each time the primary metric has been logged so many times.

    Args:
        name: Its name in JSON.
        properties: Its settings.

    Raises:
        HyperDriveConfigException: A setting cannot be.
    """

    def __init__(self, name: str, properties: Optional[Dict[str, Any]] = None) -> None:
        self._name = name
        self._properties = dict(properties or {})
        for key, least in (("evaluation_interval", 1), ("delay_evaluation", 0)):
            if key in self._properties:
                _whole(key, self._properties[key], least)

    def to_json(self) -> Dict[str, Any]:
        """v1's `policy_config`."""
        if not self._properties:
            return {"name": self._name}
        return {"name": self._name, "properties": dict(self._properties)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EarlyTerminationPolicy) and other.to_json() == self.to_json()

    def __hash__(self) -> int:
        return hash(self._name)


class _Timed(EarlyTerminationPolicy):
    @property
    def evaluation_interval(self) -> int:
        """After how many values it is looked at."""
        return int(self._properties["evaluation_interval"])

    @property
    def delay_evaluation(self) -> int:
        """How many values are let pass before."""
        return int(self._properties["delay_evaluation"])


class BanditPolicy(_Timed):
    """Ends a child that is worse than the best by more than a slack.

    Args:
        evaluation_interval: After how many values it is looked at.
        slack_factor: The slack as a ratio; or
        slack_amount: The slack as a difference.
        delay_evaluation: How many values are let pass before.
    """

    POLICY_NAME = "Bandit"

    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: Optional[float] = None,
        slack_amount: Optional[float] = None,
        delay_evaluation: int = 0,
    ) -> None:
        if (slack_factor is None) == (slack_amount is None):
            raise HyperDriveConfigException("Give slack_factor or slack_amount, and one of them.")
        slack = {"slack_factor": slack_factor, "slack_amount": slack_amount}
        limits = {name: value for name, value in slack.items() if value is not None}
        for name, value in limits.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
                raise HyperDriveConfigException(f"{name} is a number from 0 on, not {value!r}.")
        super().__init__(
            self.POLICY_NAME, {**_times(evaluation_interval, delay_evaluation), **limits}
        )

    @property
    def slack_factor(self) -> Optional[float]:
        """The slack as a ratio, or None."""
        return self._properties.get("slack_factor")

    @property
    def slack_amount(self) -> Optional[float]:
        """The slack as a difference, or None."""
        return self._properties.get("slack_amount")


class MedianStoppingPolicy(_Timed):
    """Ends a child whose best value is worse than the median of the others' running averages."""

    POLICY_NAME = "MedianStopping"

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__(self.POLICY_NAME, _times(evaluation_interval, delay_evaluation))


class TruncationSelectionPolicy(_Timed):
    """Ends the worst children, a percentage of them each time.

    Args:
        truncation_percentage: From 1 to 99.
        evaluation_interval: After how many values it is looked at.
        delay_evaluation: How many values are let pass before.
    """

    POLICY_NAME = "TruncationSelection"

    def __init__(
        self, truncation_percentage: int, evaluation_interval: int = 1, delay_evaluation: int = 0
    ) -> None:
        if _whole("truncation_percentage", truncation_percentage, 1) > 99:
            raise HyperDriveConfigException(
                f"truncation_percentage is 99 at most, not {truncation_percentage!r}."
            )
        times = _times(evaluation_interval, delay_evaluation)
        super().__init__(
            self.POLICY_NAME, {**times, "truncation_percentage": truncation_percentage}
        )

    @property
    def truncation_percentage(self) -> int:
        """How many in a hundred are ended."""
        return int(self._properties["truncation_percentage"])


class NoTerminationPolicy(EarlyTerminationPolicy):
    """Lets every child come to its end."""

    POLICY_NAME = "Default"

    def __init__(self) -> None:
        super().__init__(self.POLICY_NAME)


def _times(interval: int, delay: int) -> Dict[str, Any]:
    return {"evaluation_interval": interval, "delay_evaluation": delay}


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise HyperDriveConfigException(
            f"{name} is a whole number, {least} at least, not {value!r}."
        )
    return value
