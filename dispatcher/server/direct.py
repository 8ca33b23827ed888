"""The most frequent calls, without the framework's work per call.

The framework resolves each parameter of a handler anew for every call, changes threads three times
for it and looks through its tree of routers. That is more than the call itself costs where a script
submits its children one by one. A route declared `direct` appears in the API's description and is
guarded like any other. `DirectCalls` finds it by its path; one function parses the body, calls the
handler and encodes the answer.
"""

import inspect
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, get_type_hints

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatcher.access.permissions import Grant
from dispatcher.server.services import Services

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
PARAMETERS = {"body", "services", "caller"}


class DirectCalls:
    """Middleware that answers direct calls, and passes all others to the application.

    Args:
        app: Answers the others.
        handlers: The guarded handlers, by method and path.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._app, self._handlers = app, handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = self._handlers.get((scope.get("method", ""), scope.get("path", "")))
        if handle is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await handle(request)
        except Exception as error:
            answer = _exception_handler(scope["app"].exception_handlers, error)
            if answer is None:
                raise
            response = await run_in_threadpool(answer, request, error)
        await response(scope, receive, send)


def _exception_handler(
    handlers: Mapping[type[Exception], Callable[[Request, Exception], Response]], error: Exception
) -> Callable[[Request, Exception], Response] | None:
    """What the application answers the error with; None for a fault."""
    classes = (kind for kind in type(error).__mro__ if kind is not Exception)
    return next((handlers[kind] for kind in classes if kind in handlers), None)


def direct_handler(endpoint: Callable[..., Any], status: int) -> Handler:
    """Make the handler of a route.

    Args:
        endpoint: Takes `body`, a model, `services` and `caller`, and returns a model. If it is a
            coroutine function, it waits for something and is called on the event loop.
        status: The HTTP status of its answer.

    Raises:
        TypeError: The endpoint takes other parameters.
    """
    parameters = set(inspect.signature(endpoint).parameters)
    if parameters != PARAMETERS:
        raise TypeError(
            f"{endpoint.__qualname__} takes {sorted(parameters)}, not {sorted(PARAMETERS)}"
        )
    hints = get_type_hints(endpoint)
    bodies, answers = TypeAdapter[Any](hints["body"]), TypeAdapter[Any](hints["return"])

    def work(content: bytes, services: Services, caller: Grant) -> bytes:
        body = _parsed(bodies, content)
        return answers.dump_json(endpoint(body=body, services=services, caller=caller))

    async def in_a_thread(content: bytes, services: Services, caller: Grant) -> bytes:
        return await run_in_threadpool(work, content, services, caller)

    async def on_the_loop(content: bytes, services: Services, caller: Grant) -> bytes:
        body = _parsed(bodies, content)
        return answers.dump_json(await endpoint(body=body, services=services, caller=caller))

    answer = on_the_loop if inspect.iscoroutinefunction(endpoint) else in_a_thread

    async def handle(request: Request) -> Response:
        content = await request.body()
        text = await answer(content, request.app.state.services, request.state.grant)
        return Response(text, status_code=status, media_type="application/json")

    return handle


def _parsed(bodies: TypeAdapter[Any], content: bytes) -> Any:
    """The body as a model. Raises what FastAPI raises for a body that is wrong."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "not JSON") from error
    try:
        return bodies.validate_python(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in errors]
        ) from None
