"""Every route declares its action here, and every call passes here before its body is read.

`@allow(Permission.X)` stands below the decorator of the route; `@public` marks the few that need no
token. `GuardedRoute` refuses an endpoint without either, so the service does not start with one.

The order of a call: the token is checked (401), the table of permissions is asked (403), a run
that the path names is compared with the scope (404, 403), the body is read up to the limit of the
route (413), and only then the handler is called.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from dispatcher.access import permissions
from dispatcher.access.permissions import Grant, Permission, Scope
from dispatcher.access.principals import Principal
from dispatcher.core.errors import DispatcherError, NotAllowed
from dispatcher.server.bodies import Body, bounded
from dispatcher.server.browser import PROOF_HEADER, check_browser, cookie_name
from dispatcher.server.calls import CURRENT, CurrentCall
from dispatcher.server.direct import Handler, direct_handler
from dispatcher.server.services import Services

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
DECLARED = "__declared__"
DESCRIPTION = ("/openapi.json",)  # what FastAPI answers of itself: the description of the API


class Unauthenticated(DispatcherError):
    """The call has no token, or not a valid one."""


class UndeclaredRoute(Exception):
    """A route declares no action; the service must not start with it."""


@dataclass(frozen=True)
class Declaration:
    """What a route declares.

    Attributes:
        action: What the call does; None for a route that needs no token.
        body: How the body is read, and up to which size.
        once: Whether doing the call twice would have a further effect (`idempotency`).
        direct: Whether the handler is called without FastAPI's work per call (`direct.py`).
    """

    action: Permission | None
    body: Body = Body.JSON
    once: bool = False
    direct: bool = False


def allow(
    action: Permission, *, body: Body = Body.JSON, once: bool = False, direct: bool = False
) -> Callable[[Endpoint], Endpoint]:
    """Declare what a route does.

    Args:
        action: The action; the table of permissions says who may do it.
        body: How the body is read, and up to which size; the default is JSON of at most 1 MiB.
        once: Whether doing the call twice would have a further effect, as registering a next
            version has.
        direct: For the most frequent calls: skip FastAPI's work per call.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, DECLARED, Declaration(action, body, once, direct))
        return endpoint

    return declare


def public(endpoint: Endpoint) -> Endpoint:
    """Declare that a route needs no token."""
    setattr(endpoint, DECLARED, Declaration(None))
    return endpoint


class GuardedRoute(APIRoute):
    """A route that checks its caller before it reads the body.

    Raises UndeclaredRoute for an endpoint that declares no action.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = getattr(endpoint, DECLARED, None)
        if not isinstance(declared, Declaration):
            raise UndeclaredRoute(f"{path}: {endpoint.__qualname__} declares no action")
        self.declaration: Declaration = declared
        if declared.action is not None:  # for the description of the API; the guard reads it itself
            documented = Depends(HTTPBearer(auto_error=False))
            options["dependencies"] = [*(options.get("dependencies") or ()), documented]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        declaration = self.declaration
        handle: Handler = super().get_route_handler()
        if declaration.direct:
            handle = direct_handler(self.endpoint, self.status_code or 200)

        async def guarded(request: Request) -> Response:
            services: Services = request.app.state.services
            if declaration.action is not None:
                caller = await identify(services, request)
                request.state.grant = permissions.grant(caller, declaration.action)
                await _check_path(services, request)
                CURRENT.set(CurrentCall(caller.actor))
            request = await bounded(request, declaration.body)
            return await services.idempotency.carry_out(request, handle, once=declaration.once)

        return guarded


def guarded_router(**options: Any) -> APIRouter:
    """A router whose routes are guarded."""
    return APIRouter(route_class=GuardedRoute, **options)


def require_declared(routes: Iterable[BaseRoute]) -> list[GuardedRoute]:
    """Return all routes below. Raises UndeclaredRoute for one that is not guarded."""
    found: list[GuardedRoute] = []
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            found += require_declared(included.routes)
        elif isinstance(route, GuardedRoute):
            found.append(route)
        elif getattr(route, "path", "") not in DESCRIPTION:
            raise UndeclaredRoute(f"{route!r} is not guarded")
    return found


async def identify(services: Services, request: Request) -> Principal:
    """Return who calls: by a token, or by a session of the studio.

    Raises:
        Unauthenticated: The call has neither, or not a valid one.
        NotAllowed: The session is used from elsewhere than a page of this service.
    """
    cookie = request.cookies.get(cookie_name(services.service_id))
    if cookie is not None and "authorization" not in request.headers:
        return await _identify_session(services, request, cookie)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        raise Unauthenticated(
            "this call has a user's name and password, and needs a token. MLflow's client sends "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or ~/.mlflow/credentials) "
            "instead of MLFLOW_TRACKING_TOKEN where it has them: unset them"
        )
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("this call needs a token: Authorization: Bearer …")
    if services.access.is_owner(token):  # without reading the store, and so without a thread
        return services.access.owner
    try:
        return await run_in_threadpool(services.access.identify, token.strip())
    except NotAllowed as error:
        raise Unauthenticated(str(error)) from error


async def _identify_session(services: Services, request: Request, cookie: str) -> Principal:
    check_browser(request)
    proof = request.headers.get(PROOF_HEADER, "")
    try:
        return await run_in_threadpool(services.sessions.identify, cookie, proof)
    except NotAllowed as error:
        raise Unauthenticated(str(error)) from error


async def grant_of(request: Request) -> Grant:
    """The permission under which the call is made; a dependency of handlers."""
    grant: Grant = request.state.grant
    return grant


async def _check_path(services: Services, request: Request) -> None:
    """Compare the run that the path names with the scope of the caller."""
    grant: Grant = request.state.grant
    run_id = request.path_params.get("run_id")
    if run_id is None or grant.scope is Scope.ANY or run_id == grant.principal.run_id:
        return
    grant.require(await run_in_threadpool(services.status.get, run_id))
