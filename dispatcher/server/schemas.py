"""The bodies of requests, as they are parsed."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dispatcher.core.runs.spec import ChildPolicy, Key, Name, Properties, RunId, RunSpec, Tags, Text

MOST_IN_COMMON = 256 << 20


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SubmitBody(Strict):
    """Runs; what is the same in all of them may be said once, in `common`."""

    common: dict[str, Any] = {}
    runs: Annotated[list[RunSpec], Field(min_length=1, max_length=20_000)]
    brief: bool = False

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, told: Any) -> Any:
        common = told.get("common") if isinstance(told, dict) else None
        runs = told.get("runs") if isinstance(told, dict) else None
        if not isinstance(common, dict) or not isinstance(runs, list):
            return told
        size = len(json.dumps(common)) * len(runs)
        if size > MOST_IN_COMMON:
            raise ValueError(
                f"common: comes to {size} bytes for {len(runs)} runs; at most {MOST_IN_COMMON}"
            )
        whole = [{**common, **run} if isinstance(run, dict) else run for run in runs]
        return {**told, "common": {}, "runs": whole}


class AgainBody(Strict):
    id: RunId


class ExtendBody(Strict):
    add: Annotated[int, Field(ge=1, le=100_000)]


class WaitBody(Strict):
    ids: Annotated[list[RunId], Field(max_length=100_000)]
    wait: Annotated[float, Field(ge=0, le=60)] = 0


class HeartbeatBody(Strict):
    ids: Annotated[list[RunId], Field(max_length=10_000)]


class PatchBody(Strict):
    tags: Tags = {}
    remove_tags: Annotated[list[Key], Field(max_length=1000)] = []
    properties: Properties = {}
    display_name: Name | None = None
    description: Annotated[str, Field(max_length=5000)] | None = None
    child_policy: ChildPolicy | None = None


class ExperimentBody(Strict):
    tags: Tags = {}
    remove_tags: Annotated[list[Key], Field(max_length=1000)] = []
    archived: bool | None = None


class EnvironmentBody(Strict):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.\-]{0,199}$")]
    definition: dict[str, Any]


class ModelBody(Strict):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.\-]{0,199}$")]
    path: Annotated[str, Field(max_length=1024)]
    tags: Tags = {}
    properties: Properties = {}
    description: Annotated[str, Field(max_length=5000)] | None = None
    framework: Name | None = None
    framework_version: Name | None = None


class EventBody(Strict):
    type: Literal["complete", "fail"]
    error: dict[str, Any] | None = None
    set_status: bool = True


class ParkBody(Strict):
    waits_for: Annotated[list[RunId], Field(max_length=100_000)]


class TargetBody(BaseModel):
    model_config = ConfigDict(extra="allow")
    kind: Text
