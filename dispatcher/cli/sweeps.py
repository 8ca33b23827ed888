"""v1's sweep files: what they may say, checked before anything is made of it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dispatcher.client.errors import UserErrorException


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sampling(_Part):
    """How values are drawn: each parameter is a distribution's name and its arguments."""

    type: Literal["grid", "random", "bayesian"]
    parameter_space: Annotated[dict[str, Any], Field(min_length=1)]
    properties: dict[str, Any] = {}


class Policy(_Part):
    """When a child is stopped early."""

    type: Literal["bandit", "median_stopping", "truncation_selection", "default"]
    evaluation_interval: Annotated[int, Field(ge=1)] = 1
    delay_evaluation: Annotated[int, Field(ge=0)] = 0
    slack_factor: float | None = None
    slack_amount: float | None = None
    truncation_percentage: Annotated[int, Field(ge=1, le=99)] | None = None
    properties: dict[str, Any] = {}


class Sweep(_Part):
    """A file for `run submit-hyperdrive`."""

    sampling: Sampling
    policy: Policy | None = None
    primary_metric_name: Annotated[str, Field(min_length=1)]
    primary_metric_goal: Literal["maximize", "minimize", "MAXIMIZE", "MINIMIZE"]
    max_total_runs: Annotated[int, Field(ge=1, le=1000)]
    max_concurrent_runs: Annotated[int, Field(ge=1, le=100)] | None = None
    max_duration_minutes: Annotated[int, Field(ge=1)] = 10080

    @staticmethod
    def parse(told: dict[str, Any], file: Path) -> "Sweep":
        """The sweep that a file describes. Raises UserErrorException with field and limit."""
        try:
            return Sweep.model_validate(told)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
            )
            raise UserErrorException(f"{file}: {wrong}") from error

    def describe(self) -> str:
        """The sweep in a few words."""
        names = ", ".join(self.sampling.parameter_space)
        return f"{self.sampling.type} over {names}, {self.max_total_runs} runs at most"
