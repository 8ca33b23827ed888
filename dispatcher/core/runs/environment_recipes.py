"""What makes two environments the same: the recipe of a build in one canonical form, and its key.

The key is all that a build is known by: two runs whose environments have it share one build,
however their packages were written down, and in whatever order. Pure.
"""

import hashlib
import json
import re
from typing import Any

from dispatcher.core.runs.spec import EnvironmentSpec

_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*(.*)$")


def recipe(spec: EnvironmentSpec) -> dict[str, Any]:
    """What is built: JSON-ready values, and under `key` their hash. `name` is for messages."""
    options = [line for line in spec.pip if line.startswith("-")]
    packages = {canonical_requirement(line) for line in spec.pip if not line.startswith("-")}
    parts = {
        "python": canonical_version(spec.python),
        "pip": [*map(_canonical_option, options), *sorted(packages)],
        "conda": sorted({canonical_conda(line) for line in spec.conda}),
        "channels": list(spec.channels) if spec.conda else [],
        "dockerfile": spec.dockerfile,
        "context": spec.context,
    }
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return {**parts, "key": key, "name": spec.name}


def canonical_requirement(line: str) -> str:
    """A requirement as pip would say it: the name in its normal form, the rest without spaces."""
    line, _, marker = (part.strip() for part in line.partition(";"))
    match = _PACKAGE.match(line)
    if match is None or "://" in line.split("@")[0]:
        return f"{line}; {marker}" if marker else line
    name = re.sub(r"[-_.]+", "-", match[1]).lower()
    extras = sorted(part.strip().lower() for part in (match[2] or "")[1:-1].split(",") if part)
    rest = match[3].strip()
    if rest.startswith("@"):
        rest = f" @ {rest[1:].strip()}"
    else:
        bounds = rest.removeprefix("(").removesuffix(")").split(",")
        rest = ",".join(sorted(re.sub(r"\s+", "", bound) for bound in bounds))
    made = name + (f"[{','.join(extras)}]" if extras else "") + rest
    return f"{made}; {marker}" if marker else made


def canonical_conda(line: str) -> str:
    """A package of conda's: the name in small letters, bounds without spaces around them."""
    channel, _, package = line.strip().rpartition("::")
    package = re.sub(r"\s*([=<>!~,|]+)\s*", r"\1", package.strip())
    match = re.match(r"^([\w.-]+?)(?=[\s=<>!~]|$)(.*)$", package)
    made = match[1].lower() + match[2] if match else package
    return f"{channel}::{made}" if channel else made


def canonical_version(version: str | None) -> str | None:
    """A version of Python: `=3.11`, `3.11.*` and `3.11` are one."""
    if version is None:
        return None
    return re.sub(r"(\.\*)+$", "", version.strip().lstrip("=")) or None


def _canonical_option(line: str) -> str:
    """An option and its value, however they were joined."""
    return " ".join(line.replace("=", " ", 1).split()) if "=" in line.split()[0] else line
