"""What the tests of the service's HTTP face share: a service without a port, and what is sent."""

import json
from typing import Any

from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

OWNER = "owner-token-for-tests"
MIB = 1 << 20
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = {"Content-Type": "application/json"}


def spec(name: str, **fields: Any) -> dict[str, Any]:
    """An interactive run: it needs no target."""
    return {"id": name, "experiment": "e", "interactive": True, **fields}


def submit(api: TestClient, *specs: dict[str, Any], **kw: Any) -> list[dict[str, Any]]:
    answer = api.post("/runs", json={"runs": list(specs)}, **kw)
    assert answer.status_code == 201, answer.text
    runs: list[dict[str, Any]] = answer.json()["runs"]
    return runs


def frame(run: str, data: bytes, offset: int = 0, stream: str = "metrics") -> bytes:
    header = {"run": run, "attempt": 1, "stream": stream, "offset": offset, "size": len(data)}
    return json.dumps(header).encode() + b"\n" + data


def line(name: str, value: Any) -> bytes:
    return json.dumps({"n": name, "k": "scalar", "v": value, "t": 1.0}).encode() + b"\n"


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "experiment": "e", "command": "true", "target": "still", **fields}
