"""Tokens are issued and checked here.

The tokens of runs and agents are made, not stored: `<kind>.<attempt>.<subject>.<HMAC>` under the
signing key of the installation. The token of a run is valid for one attempt, and until the run has
ended.

The tokens of users and service accounts are random; only their hashes are stored. They have a role,
may expire and can be revoked. Runs that were submitted with a token go on when it is revoked.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

from dispatcher.access import principals
from dispatcher.access.permissions import Grant
from dispatcher.access.principals import OWNER_NAME, Kind, Principal, Role
from dispatcher.core.errors import InvalidSpec, NotAllowed, NotFound
from dispatcher.store.contract import Store
from dispatcher.store.tokens.contract import StoredToken

PERSONAL = "dsp_"  # what the tokens of users and service accounts start with
USE_SECONDS = 60.0  # how exactly the last use of a token is recorded
_NAME = re.compile(r"[A-Za-z0-9][\w.@\-]{0,99}", re.ASCII)


class TokenService:
    """Issues and checks tokens.

    Args:
        store: Where runs are read.
        key: The signing key (`access.keys`).
        owner_token: The token of the owner.
        owner_name: The name of the owner, under which the runs of that token are submitted.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        key: bytes,
        owner_token: str,
        owner_name: str = OWNER_NAME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner_token = owner_token
        self.owner = principals.owner(owner_name)
        self._key = key

    def run_token(self, run_id: str, attempt: int) -> str:
        """The token of one attempt of a run."""
        return self._sign(f"run.{attempt}.{run_id}")

    def agent_token(self, target: str) -> str:
        """The token of the node agent of a compute target."""
        return self._sign(f"agent.0.{target}")

    def is_owner(self, token: str) -> bool:
        """Whether it is the owner's token."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._owner_token.encode())

    def identify(self, token: str) -> Principal:
        """Return whose token it is. Raises NotAllowed if it is not valid."""
        if self.is_owner(token):
            return self.owner
        if token.startswith(PERSONAL):
            return self._personal(token)
        body, _, _signature = token.rpartition(".")
        signed = self._sign(body).encode()
        if not body or not hmac.compare_digest(signed, token.encode("utf-8", "replace")):
            raise NotAllowed("the token is not valid here")
        kind, attempt, subject = body.split(".", 2)
        if kind == "agent":
            return principals.agent(subject)
        run = self._store.read(lambda tx: tx.runs.get([subject])).get(subject)
        if run is None or run.terminal or run.attempt != int(attempt):
            raise NotAllowed(f"the token of run {subject} (attempt {attempt}) is no longer valid")
        return principals.run(subject, submitted_by=run.submitted_by, target=run.spec.target)

    def create(
        self, kind: Kind, name: str, role: Role, expires_at: float | None, caller: Grant
    ) -> tuple[StoredToken, str]:
        """Make a token for a user or a service account; answers it, this once, with its record.

        Args:
            kind: USER or SERVICE_ACCOUNT.
            name: Who calls with it; runs that are submitted with it bear this name.
            role: What it may do.
            expires_at: Seconds since the epoch; None: it does not expire.
            caller: Who makes it.

        Raises:
            InvalidSpec: The name is not possible, or the moment has passed.
        """
        if not _NAME.fullmatch(name):
            raise InvalidSpec(f"name: {name[:200]!r}: 1 to 100 letters, digits, '_', '.', '@', '-'")
        now = self._clock()
        if expires_at is not None and expires_at <= now:
            raise InvalidSpec(f"expires_at: {expires_at} has passed")
        token = PERSONAL + secrets.token_urlsafe(32)
        stored = StoredToken(
            secrets.token_hex(8), _hash(token), kind, name, role, caller.principal.actor, now,
            expires_at,
        )  # fmt: skip
        self._store.write(lambda tx: tx.tokens.add(stored))
        return stored, token

    def tokens(self) -> list[StoredToken]:
        """The tokens of users and service accounts, the oldest first."""
        return self._store.read(lambda tx: tx.tokens.all())

    def revoke(self, token_id: str) -> None:
        """Refuse a token from now on. Raises NotFound."""
        now = self._clock()
        if not self._store.write(lambda tx: tx.tokens.change(token_id, {"revoked_at": now})):
            raise NotFound(f"no token {token_id!r}")

    def _personal(self, token: str) -> Principal:
        digest, now = _hash(token), self._clock()
        stored = self._store.read(lambda tx: tx.tokens.by_hash(digest))
        if stored is None:
            raise NotAllowed("the token is not valid here")
        if stored.revoked_at is not None:
            raise NotAllowed(f"the token {stored.id} of {stored.name} was revoked")
        if stored.expires_at is not None and stored.expires_at <= now:
            raise NotAllowed(f"the token {stored.id} of {stored.name} has expired")
        if stored.last_used_at is None or now - stored.last_used_at > USE_SECONDS:
            self._store.write(lambda tx: tx.tokens.change(stored.id, {"last_used_at": now}))
        return Principal(Kind(stored.kind), stored.name, Role(stored.role))

    def _sign(self, body: str) -> str:
        return f"{body}.{hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()}"


def _hash(token: str) -> str:
    """The token is random and long, so a plain hash of it cannot be turned back."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
