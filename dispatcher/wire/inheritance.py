"""What a run on the submitter's machine inherits from the process that submits it.

It travels as one content, whose SHA-256 is all that the spec of a run holds: variables of a shell
may be secrets, and many runs are submitted from one shell.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Tuple

# Of the content, in base64. Linux starts no process whose arguments and variables are longer than
# 6 MiB, so what a process was started with fits.
MAX_BYTES = 9 << 20
MAX_CPU = 1 << 16


@dataclass(frozen=True)
class Inheritance:
    """What a run inherits.

    Args:
        variables: The environment variables.
        python: The path of the submitter's interpreter; empty: the node's own.
        cpus: The CPUs that the submitter may use, as `os.sched_getaffinity`; empty: all.
        nice: The submitter's nice value.
        umask: The submitter's umask; None: the service's.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    cpus: Tuple[int, ...] = ()
    nice: int = 0
    umask: Optional[int] = None


def encode(inheritance: Inheritance) -> bytes:
    """The content. Equal values give equal contents. Names and values may be no UTF-8."""
    pairs = sorted(inheritance.variables.items())
    block = b"\0".join(os.fsencode(f"{name}={value}") for name, value in pairs)
    record = {
        "variables": base64.b64encode(block).decode("ascii"),
        "python": base64.b64encode(os.fsencode(inheritance.python)).decode("ascii"),
        "cpus": list(inheritance.cpus),
        "nice": inheritance.nice,
        "umask": inheritance.umask,
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode(content: bytes) -> Inheritance:
    """Read a content. Raises ValueError; the text names the field."""
    record = json.loads(content)
    if not isinstance(record, dict):
        raise ValueError("must be a JSON object")
    umask = record.get("umask")
    return Inheritance(
        _variables(record),
        os.fsdecode(_bytes(record, "python")),
        _cpus(record),
        _number(record, "nice", -20, 19),
        None if umask is None else _number(record, "umask", 0, 0o777),
    )


def _variables(record: Mapping[str, Any]) -> Dict[str, str]:
    variables = {}
    for entry in _bytes(record, "variables").split(b"\0"):
        name, sign, value = os.fsdecode(entry).partition("=")
        if entry and not (name and sign):
            raise ValueError(f"variables: {entry[:80]!r} is not NAME=VALUE")
        if entry:
            variables[name] = value
    return variables


def _bytes(record: Mapping[str, Any], name: str) -> bytes:
    try:
        content = base64.b64decode(record.get(name, ""), validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"{name}: must be base64, got {str(record[name])[:80]!r}") from error
    if name == "python" and b"\0" in content:
        raise ValueError("python: must not contain a NUL byte")
    return content


def _cpus(record: Mapping[str, Any]) -> Tuple[int, ...]:
    cpus = record.get("cpus", [])
    if not isinstance(cpus, list):
        raise ValueError(f"cpus: must be a list of numbers, got {str(cpus)[:80]!r}")
    return tuple(_number({"cpus": cpu}, "cpus", 0, MAX_CPU) for cpu in cpus)


def _number(record: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = record.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name}: must be an integer from {low} to {high}, got {value!r}")
    return value
