"""The configuration of compute targets: one model for each kind, distinguished by `kind`.

Every option but a Ray cluster's address has a default. `parse` reads configurations from HTTP,
the command line and files; its errors name the field, the value and the limit. `show` is for people
and hides secrets.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.spec import MAX_TAGS, Key, Module, TargetName, Text

HIDDEN = "**********"
MAX_GPUS = 1024


def _split(value: Any) -> Any:
    """Read a list of ids from `0,1`, as on a command line, or from numbers."""
    parts = [part.strip() for part in value.split(",") if part.strip()] if _is(value) else value
    if isinstance(parts, list | tuple):
        return [str(part) if isinstance(part, int) else part for part in parts]
    return [str(parts)] if isinstance(parts, int) else parts


def _is(value: Any) -> bool:
    return isinstance(value, str)


def _unique(ids: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({gpu for gpu in ids if ids.count(gpu) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return ids


GpuId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._/=\-]{0,127}$")]
GpuIds = Annotated[
    tuple[GpuId, ...],
    BeforeValidator(_split),
    AfterValidator(_unique),
    Field(max_length=MAX_GPUS),
]
Cpus = Annotated[float, Field(gt=0, le=65536, allow_inf_nan=False)]
Megabytes = Annotated[int, Field(ge=6, le=64 * 1024 * 1024)]
Modules = Annotated[tuple[Module, ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(ge=1, le=86400, allow_inf_nan=False)]
DockerHost = Annotated[
    str, StringConstraints(pattern=r"^(unix:///|tcp://|https?://|ssh://|npipe:)")
]
Account = Annotated[str, StringConstraints(pattern=r"^\d{1,10}(:\d{1,10})?$")]
RayAddress = Annotated[str, StringConstraints(pattern=r"^(ray://)?[\w.\-\[\]:]+:\d{1,5}$")]


class TargetOptions(BaseModel):
    """The options of every kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: TargetName
    description: Text = ""
    # For clients; targets do not use them.
    labels: Annotated[dict[Key, Text], Field(max_length=MAX_TAGS)] = {}
    # A parent that waits for its children gives its CPU slot back meanwhile.
    lend_slots: bool = True
    # The GPUs of a run that requests no number; None: one if the target has any.
    default_gpus: int | None = Field(None, ge=0, le=MAX_GPUS)
    # Which runs may submit to the target. None: any run on a target of containers, and runs on
    # targets of plain processes on a target of plain processes (dispatcher/access/isolation.py).
    accepts: Literal["users", "process-runs", "any-run"] | None = None

    def show(self) -> dict[str, Any]:
        """The configuration for people, without secrets."""
        return self.model_dump(mode="json")

    def store(self) -> dict[str, Any]:
        """The configuration for the store, with secrets; `parse` reads it."""
        plain = self.show()
        for field, value in self:
            if isinstance(value, SecretStr):
                plain[field] = value.get_secret_value()
        return plain


class _NamedGpus(TargetOptions):
    """The options of kinds whose GPUs are named one by one."""

    gpus: GpuIds = ()

    @model_validator(mode="after")
    def _default_is_there(self) -> "_NamedGpus":
        if self.default_gpus is not None and self.default_gpus > len(self.gpus):
            available = f"the target has {len(self.gpus)} (gpus: {', '.join(self.gpus) or 'none'})"
            raise ValueError(f"default_gpus: {self.default_gpus} is too many; {available}")
        return self


class LocalConfig(_NamedGpus):
    """Processes of this machine."""

    kind: Literal["local"] = "local"
    cpus: Cpus | None = None  # None: those that the service may use
    memory_mb: Megabytes | None = None  # None: not counted
    python: Text | None = None  # the interpreter that `python` means; None: the service's
    preload: Modules = ()  # imported once in the fork server, for runs that name no modules


class DockerConfig(_NamedGpus):
    """Containers of one Docker engine."""

    kind: Literal["docker"] = "docker"
    docker_host: DockerHost | None = None  # None: by the environment, or the local socket
    gpu_mode: Literal["auto", "runtime", "cdi"] = "auto"
    cpus: Cpus | None = None  # None: as the engine reports
    memory_mb: Megabytes | None = None  # None: as the engine reports
    image: Text = "python:3.11-slim"  # for runs that name none
    network: Literal["bridge", "none", "host"] = "bridge"
    user: Account | None = None  # uid[:gid]; None: the service's own, or `nobody` if that is root
    pids_limit: int = Field(4096, ge=16, le=4_194_304)
    # Start scripts without limits in milliseconds, in shared pool containers. Off by default: runs
    # that share a container can read each other's files and tokens.
    warm: bool = False
    warm_idle_seconds: Seconds = 600  # lifetime of an unused pool container


class RayConfig(TargetOptions):
    """Nodes of an existing Ray cluster."""

    kind: Literal["ray"] = "ray"
    address: RayAddress
    node_ip_address: Text | None = None  # the driver's own address, if Ray cannot detect it
    token: SecretStr | None = None
    python: Text | None = None  # must have the cluster's Python and Ray; None: the service's
    allocation: Literal["exclusive", "per-run"] = "exclusive"
    lease_seconds: Seconds = 15
    cpus_per_node: Cpus | None = None  # the CPUs to use of each node; None: all that Ray has there


TargetConfig = Annotated[LocalConfig | DockerConfig | RayConfig, Field(discriminator="kind")]
_ANY: TypeAdapter[LocalConfig | DockerConfig | RayConfig] = TypeAdapter(TargetConfig)


def parse(data: Mapping[str, Any]) -> LocalConfig | DockerConfig | RayConfig:
    """Read a configuration. Raises InvalidSpec, which names each field, its value and the limit."""
    try:
        return _ANY.validate_python(dict(data))
    except ValidationError as error:
        # Without its cause: pydantic's text would repeat the token.
        raise InvalidSpec("; ".join(map(_sentence, error.errors()))) from None


def _sentence(error: Any) -> str:
    kind, message = error["type"], re.sub(r"^Value error, ", "", error["msg"])
    field = ".".join(str(part) for part in error["loc"][1:])
    if kind.startswith("union_tag"):
        kinds = ", ".join(("local", "docker", "ray"))
        return f"kind: {error['input'].get('kind')!r} is not a kind of target; there are {kinds}"
    if kind == "missing":
        return f"{field}: is needed for a target of kind {error['loc'][0]}"
    if kind == "extra_forbidden":
        return f"{field}: a target of kind {error['loc'][0]} has no such option"
    if not field:
        return message
    value = HIDDEN if field == "token" else repr(error["input"])
    return f"{field}: {value} is not valid: {message[0].lower()}{message[1:]}"
