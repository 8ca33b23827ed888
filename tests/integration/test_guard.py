"""Calls are checked before their bodies are read, and no route is left undeclared."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from dispatcher.access.permissions import Permission
from dispatcher.server.app import create_app
from dispatcher.server.guard import (
    GuardedRoute,
    UndeclaredRoute,
    allow,
    guarded_router,
    require_declared,
)
from dispatcher.server.studio_pages import PAGES
from dispatcher.server.wiring import Application
from tests.integration.http_service import MIB, OWNER, spec, submit

CHUNK = 64 * 1024


def test_an_endpoint_that_declares_no_action_is_refused_by_its_router() -> None:
    router = guarded_router()
    with pytest.raises(UndeclaredRoute, match=r"/forgotten.*forgotten declares no action"):

        @router.get("/forgotten")
        def forgotten() -> None: ...


def test_an_application_with_a_route_that_is_not_guarded_is_refused() -> None:
    app = FastAPI(docs_url=None, redoc_url=None)
    router = guarded_router()

    @router.get("/declared")
    @allow(Permission.READ_RUNS)
    def declared() -> None: ...

    app.include_router(router, prefix="/api")
    assert [route.path for route in require_declared(app.routes)] == ["/declared"]
    app.add_api_route("/forgotten", lambda: None)
    with pytest.raises(UndeclaredRoute, match="/forgotten"):
        require_declared(app.routes)


def test_every_route_of_the_service_declares_its_action(application: Application) -> None:
    routes = require_declared(create_app(application.services, max_body=MIB).routes)
    assert len(routes) > 60
    open_to_all = {route.path for route in routes if route.declaration.action is None}
    # `identity` tells who the service is, before a caller gives it a token; not over TCP. The
    # studio's page and its assets hold no data; a session is opened by the code of a link.
    studio = {*PAGES, "/assets/{name}", "/studio/session"}
    assert open_to_all == {"/api/v1/health", "/api/v1/identity", "/health", "/version", *studio}


class Upload:
    """A body that is read chunk by chunk, and how much of it was."""

    def __init__(self, size: int) -> None:
        self.left, self.read = size, 0

    async def receive(self) -> dict[str, Any]:
        chunk = b"x" * min(CHUNK, self.left)
        self.left -= len(chunk)
        self.read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": self.left > 0}


def call(
    app: FastAPI, method: str, path: str, upload: Upload, token: str | None, *, announced: bool
) -> int:
    """Call the application as a server would; answers the status."""
    headers = [(b"content-type", b"application/json")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    if announced:
        headers.append((b"content-length", str(upload.left).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, upload.receive, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


WITH_BODY = [
    ("POST", "/api/v1/runs"),
    ("PATCH", "/api/v1/runs/guarded"),
    ("POST", "/api/v1/spool"),
    ("POST", "/api/v1/blobs"),
    ("POST", "/api/v1/snapshots"),
    ("POST", "/api/v1/environments"),
    ("PUT", "/api/v1/targets/t"),
    ("POST", "/api/2.0/mlflow/runs/log-batch"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/guarded/artifacts/f"),
]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_nothing_of_8_mib_without_a_valid_token_is_read(
    application: Application, method: str, path: str, announced: bool
) -> None:
    app = create_app(application.services, max_body=4 * MIB)
    for token in (None, "nonsense"):
        upload = Upload(8 * MIB)
        assert call(app, method, path, upload, token, announced=announced) == 401
        assert upload.read == 0


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize(("method", "path"), WITH_BODY[:-1])
def test_a_body_is_read_up_to_the_limit_of_its_route(
    api: Any, application: Application, method: str, path: str, announced: bool
) -> None:
    submit(api, spec("guarded"))
    app = create_app(application.services, max_body=2 * MIB)
    upload = Upload(8 * MIB)
    status = call(app, method, path, upload, OWNER, announced=announced)
    assert status == (400 if "mlflow" in path else 413)
    assert upload.read <= (0 if announced else 2 * MIB + CHUNK)


@pytest.mark.parametrize(("method", "path"), [("PATCH", "/api/v1/runs/guarded")])
def test_a_json_body_of_more_than_1_mib_is_refused_where_no_batch_is_expected(
    api: Any, application: Application, method: str, path: str
) -> None:
    submit(api, spec("guarded"))
    app = create_app(application.services, max_body=64 * MIB)
    upload = Upload(8 * MIB)
    assert call(app, method, path, upload, OWNER, announced=False) == 413
    assert upload.read <= MIB + CHUNK


def test_nothing_of_a_body_is_read_for_a_caller_that_may_not_do_it(
    api: Any, application: Application
) -> None:
    submit(api, spec("outside"), spec("inside"))
    app = create_app(application.services, max_body=4 * MIB)
    token = application.services.access.run_token("inside", 1)
    for method, path in (("PATCH", "/api/v1/runs/outside"), ("PUT", "/api/v1/targets/t")):
        upload = Upload(2 * MIB)
        assert call(app, method, path, upload, token, announced=False) == 403
        assert upload.read == 0


def test_the_guard_is_the_class_of_every_route(application: Application) -> None:
    app = create_app(application.services, max_body=MIB)
    assert app.router.route_class is GuardedRoute
