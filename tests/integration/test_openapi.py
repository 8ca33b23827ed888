"""Every call of the service's own description, with whatever the description allows and forbids: no
fault of the service, and only answers that are described.
"""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import build

OWNER = "owner-token-for-tests"
LONGEST_WAIT = 0.05  # seconds
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "15"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Names by which calls speak of things: half of them shall be of something that is there.
THERE = {
    **dict.fromkeys(("run_id", "run_uuid", "source_run_id"), "r1"),
    "parent_id": "r1",
    "experiment_id": "0",
    "metric_key": "m",
    "page_token": "",
    "path": "0/r1/artifacts/f",
}


async def _no_events(*_position: Any, **_filter: Any) -> AsyncIterator[bytes]:
    """A stream without events."""
    for event in ():
        yield event


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The description, over a service with a run that has something of everything."""
    application = build(
        Settings(data_dir=tmp_path_factory.mktemp("application")), "http://127.0.0.1:1", OWNER
    )
    app = create_app(application.services, max_body=1 << 20)
    with TestClient(app, headers={"Authorization": f"Bearer {OWNER}"}) as client:
        _fill(client)
    # The stream of events does not end by itself, and answers are read whole here.
    application.services.events.read = _no_events  # type: ignore[method-assign]
    found = schemathesis.openapi.from_asgi("/openapi.json", app)
    for place in ("path_parameters", "query", "body"):
        found.hook(f"map_{place}")(_of_something_there)
    yield found
    application.close()


def test_no_call_is_a_fault_and_every_answer_is_described(described: Any) -> None:
    _try_all(described, GenerationMode.POSITIVE)


def test_no_call_that_the_description_forbids_is_a_fault(described: Any) -> None:
    _try_all(described, GenerationMode.NEGATIVE)


def _try_all(described: Any, mode: GenerationMode) -> None:
    failures = []
    operations = [found.ok() for found in described.get_all_operations()]
    for operation in operations:
        try:
            _try(operation, mode)
        except (Unsatisfiable, SkipTest):  # it takes nothing that could be wrong
            continue
        except (Exception, BaseExceptionGroup) as error:  # all that is wrong, not the first of it
            failures.append(f"{operation.method.upper()} {operation.path}: {error!s:.1500}")
    assert not failures, "\n\n".join(failures)
    assert len(operations) > 60


def _try(operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def work(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {OWNER}"}, checks=CHECKS)

    work()


def _of_something_there(_context: Any, given: Any) -> Any:
    if isinstance(given, dict):
        for name, value in THERE.items():
            known = given.get(name, "")
            if name in given and (known is None or (isinstance(known, str) and len(known) % 2)):
                given[name] = value
        wait = given.get("wait")
        if isinstance(wait, int | float) and LONGEST_WAIT < wait <= 60:
            given["wait"] = LONGEST_WAIT  # a wait that the service accepts, and would wait
    return given


def _fill(client: TestClient) -> None:
    run = {"id": "r1", "experiment": "Default", "interactive": True}
    assert client.post("/api/v1/runs", json={"runs": [run]}).status_code == 201
    one = {"run_id": "r1", "key": "m", "value": 1, "timestamp": 1}
    assert client.post("/api/2.0/mlflow/runs/log-metric", json=one).status_code == 200
    at = "/api/2.0/mlflow-artifacts/artifacts/0/r1/artifacts/f"
    assert client.put(at, content=b"hello").status_code == 200
    model = client.post("/api/2.0/mlflow/logged-models", json={"source_run_id": "r1"}).json()
    THERE["model_id"] = model["model"]["info"]["model_id"]
