"""v1's sweep files (`hdconfig.yml`), read into a HyperDriveConfig; errors name the field."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.sweeps import expressions, policies, sampling
from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException

SAMPLINGS: Mapping[str, Callable[..., sampling.HyperParameterSampling]] = {
    "random": sampling.RandomParameterSampling,
    "grid": sampling.GridParameterSampling,
    "bayesian": sampling.BayesianParameterSampling,
    **{
        name: partial(sampling.HyperParameterSampling, name.upper())
        for name in ("tpe", "cmaes", "gp", "nsgaii", "qmc")
    },
}
POLICIES: Mapping[str, Callable[..., policies.EarlyTerminationPolicy]] = {
    "bandit": policies.BanditPolicy,
    "medianstopping": policies.MedianStoppingPolicy,
    "truncationselection": policies.TruncationSelectionPolicy,
    "notermination": policies.NoTerminationPolicy,
    "asha": lambda **fields: policies.EarlyTerminationPolicy("ASHA", fields),
    "hyperband": lambda **fields: policies.EarlyTerminationPolicy("Hyperband", fields),
}


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _sampling_name(value: Any) -> Any:
    """`CMA-ES` is `cmaes`, `NSGA-II` is `nsgaii`."""
    return value.lower().replace("-", "") if isinstance(value, str) else value


def _policy_name(value: Any) -> Any:
    return (
        value.lower().removesuffix("policy").replace("_", "") if isinstance(value, str) else value
    )


def _as_list(value: Any) -> Any:
    """A mapping `name: [expression, values]` as v1's list of name, expression and values.

    A third element is the condition under which the parameter exists.
    """
    if not isinstance(value, dict):
        return value
    return [
        {"name": name, **dict(zip(("expression", "values", "when"), fields, strict=False))}
        if isinstance(fields, list) and len(fields) in (2, 3)
        else {"name": name, "expression": fields}
        for name, fields in value.items()
    ]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Part):
    """One hyperparameter: its name, expression and values."""

    name: Annotated[str, Field(min_length=1)]
    expression: Annotated[
        Literal[
            "choice",
            "randint",
            "uniform",
            "quniform",
            "loguniform",
            "qloguniform",
            "normal",
            "qnormal",
            "lognormal",
            "qlognormal",
        ],
        BeforeValidator(_lower),
    ]
    values: list[Any]
    when: dict[str, Any] | None = None

    def sdk_expression(self) -> Any:
        """The SDK's expression. Raises HyperDriveConfigException or TypeError."""
        if self.when is not None:
            return expressions.only_where(self._unconditional(), **self.when)
        return self._unconditional()

    def _unconditional(self) -> Any:
        if self.expression == "choice":
            nested = len(self.values) == 1 and isinstance(self.values[0], list)
            return expressions.choice(self.values[0] if nested else self.values)
        return getattr(expressions, self.expression)(*self.values)


class SamplingSection(_Part):
    """The sampling section of a sweep file."""

    type: Annotated[
        Literal["random", "grid", "bayesian", "tpe", "cmaes", "gp", "nsgaii", "qmc"],
        BeforeValidator(_sampling_name),
    ]
    seed: int | str | None = None
    constraints: list[str] | None = None
    population_size: int | None = None
    parameter_space: Annotated[
        list[Parameter], Field(min_length=1, max_length=1000), BeforeValidator(_as_list)
    ]


class Policy(BaseModel):
    """The early termination policy; its class checks the other fields."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: Annotated[
        Literal[
            "bandit", "medianstopping", "truncationselection", "notermination", "asha", "hyperband"
        ],
        BeforeValidator(_policy_name),
    ]


MetricName = Annotated[str, Field(min_length=1)]
GoalName = Annotated[Literal["maximize", "minimize"], BeforeValidator(_lower)]


class SweepSection(_Part):
    """A file for `run submit-hyperdrive`."""

    sampling: SamplingSection
    policy: Policy | None = None
    primary_metric_name: MetricName | Annotated[list[MetricName], Field(min_length=1)]
    primary_metric_goal: GoalName | Annotated[list[GoalName], Field(min_length=1)]
    max_total_runs: Annotated[int, Field(ge=1, le=1000)]
    max_concurrent_runs: Annotated[int, Field(ge=1, le=100)] | None = None
    max_duration_minutes: Annotated[int, Field(ge=1)] = 10080


class SweepFile(SweepSection):
    """A file for `sweep submit`: v1's fields, and the script and its run configuration."""

    script: str | None = None
    command: str | None = None
    arguments: list[Any] = []
    source_directory: str | None = None
    run_configuration: str | None = None
    experiment: str | None = None
    target: str | None = None
    targets: list[str] = []
    cpus: float | None = None
    gpus: int | None = None
    resume_from: list[str] = []


def config_of(fields: dict[str, Any], file: Path, script: ScriptRunConfig) -> HyperDriveConfig:
    """The configuration of a sweep file.

    Raises:
        UserErrorException: The file is not valid; the text names field and limit.
    """
    with _errors_of(file):
        return _config(SweepSection.model_validate(fields), script)


def file_of(fields: dict[str, Any], file: Path) -> SweepFile:
    """Parse a file of `sweep submit`. Raises UserErrorException, which names field and limit."""
    with _errors_of(file):
        return SweepFile.model_validate(fields)


def config_of_file(sweep: SweepFile, file: Path, script: ScriptRunConfig) -> HyperDriveConfig:
    """The configuration of a file of `sweep submit`. Raises UserErrorException."""
    with _errors_of(file):
        return _config(sweep, script)


@contextmanager
def _errors_of(file: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        messages = dict.fromkeys(
            f"{_location(each['loc'])}: {each['msg']}" for each in error.errors()
        )
        raise UserErrorException(f"{file}: {'; '.join(messages)}") from error
    except HyperDriveConfigException as error:
        raise UserErrorException(f"{file}: {error.message}") from error
    except TypeError as error:
        raise UserErrorException(f"{file}: {error}") from error


def _location(parts: Sequence[Any]) -> str:
    """The path of a field in the file, without pydantic's names of a field's alternatives."""
    fields = [str(part) for part in parts]
    return ".".join(
        part for part in fields if "[" not in part and not part.startswith("constrained")
    )


def _config(sweep: SweepSection, script: ScriptRunConfig) -> HyperDriveConfig:
    space = {each.name: each.sdk_expression() for each in sweep.sampling.parameter_space}
    if len(space) != len(sweep.sampling.parameter_space):
        raise HyperDriveConfigException("sampling.parameter_space contains a parameter twice.")
    policy, goals = sweep.policy, sweep.primary_metric_goal
    properties = sweep.sampling.model_dump(
        include={"seed", "constraints", "population_size"}, exclude_none=True
    )
    return HyperDriveConfig(
        SAMPLINGS[sweep.sampling.type](space, properties=properties or None),
        sweep.primary_metric_name,
        [PrimaryMetricGoal.from_str(goal) for goal in goals]
        if isinstance(goals, list)
        else PrimaryMetricGoal.from_str(goals),
        sweep.max_total_runs,
        max_concurrent_runs=sweep.max_concurrent_runs,
        max_duration_minutes=sweep.max_duration_minutes,
        policy=POLICIES[policy.type](**(policy.model_extra or {})) if policy else None,
        run_config=script,
    )
