"""What a user asks for: `RunSpec`, one definition from HTTP to the store. Frozen; unknown fields
are refused.

Limits are stated here once; the error that pydantic makes of a breach names the field, the value
and the limit.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

MAX_TEXT = 16 * 1024
MAX_TAGS = 1_000
MAX_ARGUMENTS = 10_000
MAX_DEFINITION = 1024 * 1024  # characters, as JSON
MAX_PACKAGES = 2_000
MAX_DOCKERFILE = 256 * 1024


def clean(text: str) -> str:
    """Refuse what not every store can keep: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"must be valid Unicode: {error.reason} at {error.start}") from error
    return text


def _as_text(value: Any) -> Any:
    """v1 passes every argument as `str(x)`; None is dropped before."""
    return str(value) if isinstance(value, int | float | bool) else value


_DRIVE, _SLASH = re.compile(r"[A-Za-z]:"), re.compile(r"[/\\]")


def _below(path: str) -> str:
    if path.startswith(("/", "\\")) or _DRIVE.match(path) or ".." in _SLASH.split(path):
        raise ValueError("must be a path below the source directory, without '..'")
    return path


def _folder_below(path: str) -> str:
    path = "/".join(part for part in _below(path).split("/") if part not in ("", "."))
    if not path or path.split("/")[0] == "user_logs":
        raise ValueError("must be a folder below the working directory, and not user_logs")
    return path


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(clean)]
Name = Annotated[str, StringConstraints(max_length=256), AfterValidator(clean)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(clean)]
ChildKey = Annotated[str, StringConstraints(max_length=1024), AfterValidator(clean)]
Argument = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(max_length=2 * 1024 * 1024),
    AfterValidator(clean),
]
STORED = "stored"  # the context in which specs are read that were accepted under earlier limits
# Files of a job are called by it, with a suffix of up to 25 characters; a name has 255 bytes.
MAX_RUN_ID = 230


def _fits_into_file_names(run_id: str, info: ValidationInfo) -> str:
    if len(run_id) > MAX_RUN_ID and info.context != STORED:
        raise ValueError(f"String should have at most {MAX_RUN_ID} characters")
    return run_id


RunId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=256),
    AfterValidator(_fits_into_file_names),
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$",
                    "maxLength": MAX_RUN_ID}),
]  # fmt: skip
ExperimentName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][\w\-]*$", max_length=255)]
TargetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]{0,63}$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
Module = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*$", max_length=255)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Tags = Annotated[dict[Key, Text | None], Field(max_length=MAX_TAGS)]
Properties = Annotated[dict[Key, Text | None], Field(max_length=MAX_TAGS)]
ChildPolicy = Literal["ignore", "fail_parent", "cancel_siblings"]

RESERVED = ("AZUREML_RUN_", "AZUREML_SERVICE_ENDPOINT", "AZUREML_ARM_", "DISPATCHER_")


def _not_reserved(name: str) -> str:
    if name.startswith(RESERVED):
        raise ValueError(f"is reserved, as all names that start with {', '.join(RESERVED)}")
    return name


def _bounded(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse a definition that is longer than MAX_DEFINITION."""
    size = len(json.dumps(definition))
    if size > MAX_DEFINITION:
        raise ValueError(f"has {size} characters as JSON; at most {MAX_DEFINITION}")
    return definition


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Retries(Frozen):
    """How often an attempt that ended is tried again, by whose fault it was."""

    infra: int = Field(1, ge=0, le=100)
    resource: int = Field(0, ge=0, le=100)
    user: int = Field(0, ge=0, le=100)


class Tensorflow(Frozen):
    worker_count: int = Field(1, ge=1, le=1024)
    parameter_server_count: int = Field(0, ge=0, le=1024)


class TensorflowDistribution(Frozen):
    tensorflow: Tensorflow


def _requirement(text: str) -> str:
    """A line of pip's that can be had anywhere: a package, or an option that leads to no file."""
    text = " ".join(text.split())
    if text.startswith("-") and text.split("=")[0].split()[0] not in PIP_OPTIONS:
        raise ValueError(
            f"is not an option that a build takes; these are: {', '.join(PIP_OPTIONS)}"
        )
    return text


PIP_OPTIONS = (
    *("--index-url", "--extra-index-url", "--find-links", "--no-index", "--pre"),
    *("--prefer-binary", "--no-binary", "--only-binary", "--trusted-host"),
)
Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048, pattern=r"^[^\r\n]+$"),
    AfterValidator(clean),
]
PipLine = Annotated[Line, AfterValidator(_requirement)]
PythonVersion = Annotated[
    str, StringConstraints(pattern=r"^(==?|>=|<=|~=)?[23](\.(\d{1,2}|\*)){0,2}([,<>=!.*\d]*)$")
]


class EnvironmentSpec(Frozen):
    """What has to be built before a run can start: packages, or an image (docs/environments.md).

    A run whose environment needs nothing built has none.
    """

    name: Name = ""
    python: PythonVersion | None = None
    pip: Annotated[tuple[PipLine, ...], Field(max_length=MAX_PACKAGES)] = ()
    conda: Annotated[tuple[Line, ...], Field(max_length=MAX_PACKAGES)] = ()
    channels: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    dockerfile: (
        Annotated[str, StringConstraints(max_length=MAX_DOCKERFILE), AfterValidator(clean)] | None
    ) = None
    context: Digest | None = None  # the snapshot of the folder that the Dockerfile builds from

    @model_validator(mode="after")
    def _has_something_to_build(self) -> "EnvironmentSpec":
        if self.context and not self.dockerfile:
            raise ValueError("context: a build's folder needs a dockerfile, too")
        return self


class RunSpec(Frozen):
    """One run as it was asked for (docs/protocol.md, section 1). Seconds and MB."""

    id: RunId
    experiment: ExperimentName
    parent_id: RunId | None = None
    key: ChildKey | None = None
    key_hash: Name | None = None
    type: Name | None = None
    name: Name | None = None
    display_name: Name | None = None
    description: (
        Annotated[str, StringConstraints(max_length=5000), AfterValidator(clean)] | None
    ) = None
    tags: Tags = {}
    properties: Properties = {}
    interactive: bool = False
    heartbeat: bool = False  # an interactive run's: whether its process reports that it lives
    target: TargetName = "local"
    script: Annotated[Text, AfterValidator(_below)] | None = None
    arguments: Annotated[tuple[Argument, ...], Field(max_length=MAX_ARGUMENTS)] = ()
    command: Text | None = None
    interpreter: Text = "python"
    snapshot: Digest | None = None
    inherits: Digest | None = None  # by its hash: dispatcher/wire/inheritance.py
    environment_variables: dict[Annotated[EnvName, AfterValidator(_not_reserved)], Text] = {}
    cpus: float = Field(1, ge=0, le=4096, allow_inf_nan=False)
    gpus: int | None = Field(None, ge=0, le=1024)
    memory_mb: int | None = Field(None, ge=6, le=64 * 1024 * 1024)
    shm_mb: int | None = Field(None, ge=1, le=64 * 1024 * 1024)
    node_count: int = Field(1, ge=1, le=1024)
    process_count: int | None = Field(None, ge=1, le=65536)
    distribution: Literal["pytorch", "mpi", "tensorflow"] | TensorflowDistribution | None = None
    max_run_duration_seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    grace_seconds: float = Field(10, ge=0, le=86400, allow_inf_nan=False)
    start_method: Literal["auto", "fresh", "fork"] = "auto"
    preload: tuple[Module, ...] = ()
    image: Text | None = None
    docker_arguments: tuple[Text, ...] = ()
    environment: EnvironmentSpec | None = None
    output_collection: bool = True
    directories_to_watch: Annotated[
        tuple[Annotated[Text, AfterValidator(_folder_below)], ...], Field(max_length=100)
    ] = ("logs",)
    max_retries: Retries = Retries()
    child_policy: ChildPolicy = "ignore"
    priority: int = Field(0, ge=-1_000_000, le=1_000_000)
    definition: Annotated[Mapping[str, Any], AfterValidator(_bounded)] = {}

    @model_validator(mode="after")
    def _has_work(self) -> "RunSpec":
        if not self.interactive and bool(self.script) == bool(self.command):
            raise ValueError("needs either a script or a command, and not both")
        if self.heartbeat and not self.interactive:
            raise ValueError("heartbeat: a run with a job has none; its node reports on it")
        if self.parent_id == self.id:
            raise ValueError("parent_id: a run cannot be its own parent")
        if self.process_count and self.process_count % self.node_count:
            raise ValueError(
                f"process_count {self.process_count} must be a multiple of "
                f"node_count {self.node_count}"
            )
        return self

    @property
    def processes_per_node(self) -> int:
        return (self.process_count or self.node_count) // self.node_count
