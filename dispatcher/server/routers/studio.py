"""Sessions of the studio: a one-time link is asked for with a token, and traded for a session."""

from typing import Annotated

from fastapi import Request, Response
from pydantic import BaseModel, Field

from dispatcher.access.permissions import Permission
from dispatcher.access.principals import Principal
from dispatcher.access.sessions import LINK_SECONDS
from dispatcher.server import browser
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router, public
from dispatcher.server.schemas import Strict
from dispatcher.server.views import moment

router = guarded_router(prefix="/studio", tags=["studio"])
SIGN_IN = "sign-in="  # the code follows; a browser sends no fragment to the service


class StudioLink(BaseModel):
    """What an address of the studio needs behind its `#` to open a session, once, within so many
    seconds.
    """

    fragment: str
    seconds: int


class CodeBody(Strict):
    code: Annotated[str, Field(min_length=1, max_length=200)]


class StudioCaller(BaseModel):
    """Whose session it is."""

    name: str
    role: str
    version: str


class OpenedSession(StudioCaller):
    """A new session. Every call sends `proof` in the header X-Dispatcher-Session."""

    proof: str
    expires_at: str | None


@router.post("/links", status_code=201)
@allow(Permission.OPEN_STUDIO)
def create_link(services: S, caller: Caller) -> StudioLink:
    """Make a link that opens the studio for the caller, once."""
    code = services.sessions.issue_link(caller.principal)
    return StudioLink(fragment=f"{SIGN_IN}{code}", seconds=int(LINK_SECONDS))


@router.post("/session", status_code=201)
@public
def open_session(
    body: CodeBody, request: Request, response: Response, services: S
) -> OpenedSession:
    """Trade the code of a link for a session. Its token comes as a cookie."""
    browser.check_browser(request)
    session = services.sessions.open(body.code)
    browser.set_session_cookie(response, services.service_id, session)
    response.headers["Cache-Control"] = "no-store"
    shown = _shown(session.principal, services.version)
    return OpenedSession(**shown, proof=session.proof, expires_at=moment(session.expires_at))


@router.get("/session")
@allow(Permission.OPEN_STUDIO)
def read_session(services: S, caller: Caller) -> StudioCaller:
    """Who the caller is."""
    return StudioCaller(**_shown(caller.principal, services.version))


@router.delete("/session", status_code=204)
@allow(Permission.OPEN_STUDIO)
def close_session(request: Request, response: Response, services: S) -> None:
    """End the session of the call."""
    token = request.cookies.get(browser.cookie_name(services.service_id))
    if token is not None:
        services.sessions.close(token)
    browser.clear_session_cookie(response, services.service_id)


def _shown(principal: Principal, version: str) -> dict[str, str]:
    return {"name": principal.name, "role": str(principal.role or ""), "version": version}
