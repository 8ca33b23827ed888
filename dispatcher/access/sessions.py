"""Sessions of browsers: a one-time link becomes a session, and a session is its principal.

A link holds a code that is valid once and for LINK_SECONDS. Codes are kept in memory alone. The
browser trades a code for a session, which has two secrets: the token is sent as a cookie, and the
proof in a header. Cookies are shared by all ports of a host, so a cookie alone proves nothing: a
call needs both. Another site can make a browser send the cookie, but not the header.

Sessions are stored by their hash among the tokens of users, where they are listed and revoked.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dispatcher.access.principals import Kind, Principal, Role
from dispatcher.core.errors import NotAllowed
from dispatcher.store.contract import Store
from dispatcher.store.tokens.contract import StoredToken

LINK_SECONDS = 300.0
SESSION_SECONDS = 7 * 86_400.0
MOST_LINKS = 100
PREFIX = "dss_"  # what the tokens of sessions start with; `Authorization` never takes them
ID_PREFIX = "session-"  # of their ids among the tokens


@dataclass(frozen=True)
class Session:
    """A new session. `token` and `proof` are its secrets; `expires_at` is in epoch seconds."""

    token: str
    proof: str
    principal: Principal
    expires_at: float


@dataclass(frozen=True)
class _Link:
    principal: Principal
    expires_at: float


class SessionService:
    """Issues links, and opens, checks and closes sessions.

    Args:
        store: Where sessions are stored, among the tokens.
        key: The signing key (`access.keys`).
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, key: bytes, clock: Callable[[], float]) -> None:
        self._store, self._key, self._clock = store, key, clock
        self._links: dict[str, _Link] = {}
        self._lock = threading.Lock()

    def issue_link(self, principal: Principal) -> str:
        """Return a code that opens one session of a user or a service account.

        Of more than MOST_LINKS codes that are not used the oldest are withdrawn.
        """
        code, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            live = {key: link for key, link in self._links.items() if link.expires_at > now}
            live[_hash(code)] = _Link(principal, now + LINK_SECONDS)
            self._links = dict(list(live.items())[-MOST_LINKS:])
        return code

    def open(self, code: str) -> Session:
        """Trade a code for a new session. Raises NotAllowed for one that is not valid any more."""
        now = self._clock()
        with self._lock:
            link = self._links.pop(_hash(code), None)
        if link is None or link.expires_at <= now:
            raise NotAllowed(
                "the link was used, has expired, or is of an earlier start of the service: "
                "`dispatcher studio` makes a new one"
            )
        token, principal = PREFIX + secrets.token_urlsafe(32), link.principal
        assert principal.role is not None, "a session is of a user or a service account"
        stored = StoredToken(
            ID_PREFIX + secrets.token_hex(8), _hash(token), principal.kind, principal.name,
            principal.role, principal.actor, now, now + SESSION_SECONDS,
        )  # fmt: skip
        self._store.write(lambda tx: tx.tokens.add(stored))
        return Session(token, self._proof(token), principal, now + SESSION_SECONDS)

    def identify(self, token: str, proof: str) -> Principal:
        """Return whose session it is. Raises NotAllowed unless both secrets are valid."""
        if not hmac.compare_digest(self._proof(token).encode(), _bytes(proof)):
            raise NotAllowed("the session is not valid here: `dispatcher studio` opens a new one")
        stored = self._stored(token)
        return Principal(Kind(stored.kind), stored.name, Role(stored.role))

    def close(self, token: str) -> None:
        """End a session. Raises NotAllowed if it is not open."""
        stored, now = self._stored(token), self._clock()
        self._store.write(lambda tx: tx.tokens.change(stored.id, {"revoked_at": now}))

    def _stored(self, token: str) -> StoredToken:
        stored = None
        if token.startswith(PREFIX):
            stored = self._store.read(lambda tx: tx.tokens.by_hash(_hash(token)))
        if stored is None or stored.revoked_at is not None:
            raise NotAllowed("the session is closed: `dispatcher studio` opens a new one")
        if stored.expires_at is not None and stored.expires_at <= self._clock():
            raise NotAllowed("the session has expired: `dispatcher studio` opens a new one")
        return stored

    def _proof(self, token: str) -> str:
        return hmac.new(self._key, b"session." + _bytes(token), hashlib.sha256).hexdigest()


def _hash(secret: str) -> str:
    """Codes and tokens are random and long, so a plain hash of them cannot be turned back."""
    return hashlib.sha256(_bytes(secret)).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
