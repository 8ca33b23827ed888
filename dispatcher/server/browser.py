"""What is checked of a browser before its session counts.

A session is for pages of this machine: the caller's address and the name in `Host` must be
loopback, so a name that another site makes lead here (DNS rebinding) is refused. `Origin` and
`Sec-Fetch-Site`, where a browser sends them, must be those of the page itself.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.access.sessions import SESSION_SECONDS, Session
from dispatcher.core.errors import NotAllowed

PROOF_HEADER = "x-dispatcher-session"
_SAME_SITE = ("same-origin", "none")


def cookie_name(service_id: str) -> str:
    """The name of the session's cookie. Cookies are shared by the ports of a host: it says whose
    it is.
    """
    return f"dispatcher_session_{service_id[:12]}"


def set_session_cookie(response: Response, service_id: str, session: Session) -> None:
    """Give the browser the session's token, which no script can read."""
    response.set_cookie(
        cookie_name(service_id),
        session.token,
        max_age=int(SESSION_SECONDS),
        path="/",
        httponly=True,
        samesite="strict",
    )


def clear_session_cookie(response: Response, service_id: str) -> None:
    response.delete_cookie(cookie_name(service_id), path="/", httponly=True, samesite="strict")


def check_browser(request: Request) -> None:
    """Raise NotAllowed unless a page of this service, on this machine, makes the call."""
    check_host(request)
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if origin is not None and origin != f"{request.url.scheme}://{host}":
        raise NotAllowed(f"Origin: {origin[:200]!r}: only pages of {host} itself may do that")
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _SAME_SITE:
        raise NotAllowed(f"Sec-Fetch-Site: {site[:40]!r}: only pages of {host} itself may do that")


def check_host(request: Request) -> None:
    """Raise NotAllowed unless the caller is on this machine and names it as such."""
    if request.client is None or not _is_loopback(request.client.host):
        raise NotAllowed("the studio is for browsers on the machine of the service")
    host = request.headers.get("host", "")
    if not _is_loopback(_name_of(host)):
        raise NotAllowed(
            f"Host: {host[:200]!r}: the studio is opened by a loopback address, such as 127.0.0.1"
        )


def _name_of(host: str) -> str:
    """The name in a `Host` header, without its port; nothing if it is not a host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
