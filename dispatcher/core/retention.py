"""The rules by which data is deleted: ages in seconds, sizes in bytes, counts. Pure.

By default nothing of a user is deleted: no run, no log, no file of one. What is bounded is what can
be made again (caches of nodes) and what nobody asks for any more.
"""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from dispatcher.core.errors import InvalidSpec

HOUR = 3_600.0
DAY = 86_400.0
GB = 10**9
_SECONDS = {"s": 1.0, "m": 60.0, "h": HOUR, "d": DAY, "w": 7 * DAY}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": GB, "tb": 10**12}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


def _seconds(value: Any) -> Any:
    return _read(value, _SECONDS, "an age, such as 12h, 30d or none")


def _size(value: Any) -> Any:
    found = _read(value, _BYTES, "a size, such as 500MB, 20GB or none")
    return int(found) if isinstance(found, float) else found


def _read(value: Any, units: dict[str, float] | dict[str, int], what: str) -> Any:
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return None
    found = _QUANTITY.fullmatch(value.strip())
    if found is None or found[2].lower() not in units:
        raise ValueError(f"not {what}")
    return float(found[1]) * units[found[2].lower()]


def _count(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


_Seconds = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
_Bytes = Annotated[int, Field(ge=0, le=1 << 60)]
_Number = Annotated[int, Field(ge=0, le=1 << 40)]
Age = Annotated[_Seconds | None, BeforeValidator(_seconds)]
KeptAge = Annotated[_Seconds, BeforeValidator(_seconds)]
Size = Annotated[_Bytes | None, BeforeValidator(_size)]
Count = Annotated[_Number | None, BeforeValidator(_count)]


class RetentionRules(BaseModel):
    """What is kept for how long, or how much of it. None: without a limit.

    Runs count with all below them, from the end of the one at the top. The oldest go first.

    Attributes:
        runs_age: For how long a run is kept after its end.
        runs_count: How many runs that have ended are kept.
        runs_bytes: How much the files and logs of all runs take at most.
        deleted_runs_age: For how long a run that was deleted in MLflow can be restored.
        logs_age: For how long the logs of a run are kept after its end.
        contents_grace: For how long a content is kept after its last use, although no run has it.
        uploads_age: For how long an upload that was cut off can go on.
        idempotency_age: For how long the answer to a call is kept for its repetition.
        deletions_age: For how long it is known that a run was deleted.
        node_snapshots_bytes: How much a node keeps of snapshots; the least recently used go first.
        node_environments_bytes: The same of environments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs_age: Age = None
    runs_count: Count = None
    runs_bytes: Size = None
    deleted_runs_age: Age = None
    logs_age: Age = None
    contents_grace: KeptAge = DAY
    uploads_age: KeptAge = 7 * DAY
    idempotency_age: KeptAge = DAY
    deletions_age: KeptAge = 90 * DAY
    node_snapshots_bytes: Size = 20 * GB
    node_environments_bytes: Size = 100 * GB


def parse_rules(values: dict[str, Any], base: RetentionRules | None = None) -> RetentionRules:
    """Rules with some of them changed. Raises InvalidSpec, naming the rule, its value and limit."""
    whole = {**(base or RetentionRules()).model_dump(), **values}
    try:
        return RetentionRules.model_validate(whole)
    except ValidationError as error:
        raise InvalidSpec("; ".join(map(_sentence, error.errors()))) from None


def _sentence(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name}: no such rule; there are {', '.join(RetentionRules.model_fields)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {error['input']!r}: {message}"
