"""Prints the description of the product's own API (OpenAPI) as JSON; `make studio-types` reads it.

MLflow's calls and the answers of refused calls are left out, because the studio uses one shape for
all refusals.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import build


def description() -> dict[str, Any]:
    """The description, of a service that is made for it and closed again."""
    with tempfile.TemporaryDirectory() as folder:
        application = build(Settings(data_dir=Path(folder)), "http://127.0.0.1:1", "x" * 32)
        try:
            described: dict[str, Any] = create_app(application.services, max_body=1 << 20).openapi()
        finally:
            application.close()
    described["info"]["version"] = "0"  # the types do not change with each release
    calls = described["paths"].items()
    described["paths"] = {path: call for path, call in calls if path.startswith("/api/v1/")}
    for operations in described["paths"].values():
        for operation in operations.values():
            answers = operation["responses"].items()
            operation["responses"] = {code: answer for code, answer in answers if int(code) < 400}
    _drop_unused(described)
    return described


def _drop_unused(described: dict[str, Any]) -> None:
    """Drop the schemas that no call refers to."""
    schemas = described["components"]["schemas"]
    used: set[str] = set()
    found = _references(described["paths"])
    while found:
        used |= found
        found = set().union(*(_references(schemas[name]) for name in found)) - used
    described["components"]["schemas"] = {name: schemas[name] for name in sorted(used)}


def _references(part: object) -> set[str]:
    """The names of the schemas that a part of the description refers to."""
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part)))


if __name__ == "__main__":
    json.dump(description(), sys.stdout, indent=1, sort_keys=True)
