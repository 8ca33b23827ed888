"""Builds the HTTP application over services that `wiring.py` makes."""

import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dispatcher.core import errors
from dispatcher.core.runs.lifecycle import IllegalTransition
from dispatcher.server import studio_pages
from dispatcher.server.described import MLFLOW_REFUSALS, REFUSALS, describe
from dispatcher.server.direct import DirectCalls, Handler
from dispatcher.server.guard import GuardedRoute, Unauthenticated, public, require_declared
from dispatcher.server.mlflow import router as mlflow_router
from dispatcher.server.mlflow.errors import error_answer, is_mlflow, unknown_call
from dispatcher.server.routers import (
    access,
    artifacts,
    catalog,
    diagnostics,
    environments,
    events,
    inheritances,
    overview,
    retention,
    runs,
    snapshots,
    studio,
    sweeps,
    telemetry,
)
from dispatcher.server.services import Services
from dispatcher.server.views import Health, Identity
from dispatcher.wire.identity import PATH as IDENTITY_PATH

log = logging.getLogger(__name__)

# The one place where our errors meet HTTP. The first class that fits counts.
STATUS_OF: dict[type[Exception], int] = {
    Unauthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    IllegalTransition: 409,
    errors.Conflict: 409,
    errors.LimitExceeded: 413,
    errors.InvalidSpec: 422,
    errors.StorageFull: 507,
    errors.StoreUnavailable: 503,
}
PREFIX = "/api/v1"


def create_app(services: Services, *, max_body: int) -> FastAPI:
    """The application. `max_body` is the largest body of a call, in bytes."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.waiters.start()
        services.events.start()
        yield
        services.waiters.stop()
        services.events.stop()

    # FastAPI's pages of documentation load scripts of other sites, which could use a session.
    app = FastAPI(
        title="dispatcher",
        version=services.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.max_body = max_body
    app.router.route_class = GuardedRoute
    for router in (
        runs.router, sweeps.router, telemetry.router, snapshots.router, artifacts.router,
        catalog.router, environments.router, access.router, diagnostics.router,
        events.router, retention.router, inheritances.router, studio.router, overview.router,
    ):  # fmt: skip
        app.include_router(router, prefix=PREFIX, responses=REFUSALS)
    app.include_router(mlflow_router, responses=MLFLOW_REFUSALS)
    app.include_router(studio_pages.router)
    app.add_api_route(f"{PREFIX}/health", _health, methods=["GET"])
    app.add_api_route(
        f"{PREFIX}{IDENTITY_PATH}",
        _identity,
        methods=["GET"],
        response_model=Identity,
        responses=REFUSALS,
    )
    for error in STATUS_OF:
        app.add_exception_handler(error, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_unknown)
    app.add_exception_handler(Exception, _answer_fault)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    declared = require_declared(app.routes)
    app.add_middleware(DirectCalls, handlers=_direct(declared))
    return app


def _direct(routes: Iterable[GuardedRoute]) -> dict[tuple[str, str], Handler]:
    """The handlers of the routes that are declared direct, by method and path."""
    return {
        (method, f"{PREFIX}{route.path.removeprefix(PREFIX)}"): route.get_route_handler()
        for route in routes
        if route.declaration.direct
        for method in route.methods or ()
    }


@public
def _health(request: Request) -> Health:
    services: Services = request.app.state.services
    services.store.check()
    return Health(ok=True, version=services.version, service_id=services.service_id)


@public
async def _identity(request: Request) -> Response:
    """Who the service is; answered on the Unix socket alone, which other users cannot reach.

    The folder's name may not be Unicode; only escaped JSON can carry it.
    """
    if request.client is not None:
        raise HTTPException(404, "the identity is answered on the Unix socket alone")
    services: Services = request.app.state.services
    fields = json.dumps(services.identity().encoded())
    return Response(fields, media_type="application/json")


def _answer_error(request: Request, error: Exception) -> JSONResponse:
    status = next(code for kind, code in STATUS_OF.items() if isinstance(error, kind))
    detail = str(error)
    if isinstance(error, errors.RunNotFound):
        services: Services = request.app.state.services
        detail = services.deletion.explain(error.run_id) or detail
    return _answer(request, status, type(error).__name__, detail, error)


def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer 422, naming the field, the value and the limit of each error."""
    assert isinstance(error, RequestValidationError)
    return _answer(request, 422, "InvalidSpec", "; ".join(map(_sentence, error.errors()[:20])))


def _answer_unknown(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework refuses: an unknown path or method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    if is_mlflow(request.url.path) and error.status_code in (404, 405):
        return unknown_call(request.method, request.url.path)
    if error.status_code == 400:  # the framework's word for a body that it cannot read
        return _answer(request, 422, "InvalidSpec", "body: not JSON in UTF-8, or nested too deep")
    name = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "InvalidSpec")
    return _answer(request, error.status_code, name, str(error.detail))


def _sentence(found: Any) -> str:
    where = ".".join(str(part) for part in found["loc"] if part not in ("body", "query", "path"))
    message = found["msg"].removeprefix("Value error, ")
    if not where:
        return str(message)  # it is of the body as a whole, and names the field itself
    given = found.get("input")
    value = repr(given)
    size = len(given) if isinstance(given, str | list | dict) else len(value)
    shown = value if len(value) <= 120 else f"{value[:100]}… (length {size})"
    return f"{where}: {shown}: {message}"


def _answer_fault(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    text = "internal error; see the log of the service"
    return _answer(request, 500, "InternalError", text)


def _answer(
    request: Request, status: int, name: str, detail: str, error: Exception | None = None
) -> JSONResponse:
    detail = _printable(detail)
    if is_mlflow(request.url.path):
        return error_answer(status, detail, error)
    return JSONResponse({"error": name, "detail": detail}, status_code=status)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
