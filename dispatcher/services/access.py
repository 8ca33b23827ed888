"""Who may do what. A token says who is calling; a run reaches itself and its descendants, and
nothing else.

Tokens are made, not stored: `<kind>.<subject>.<HMAC>` under the installation's secret, so a copy of
the database gives none away. A run's token dies with its attempt, and when the run has ended.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from dispatcher.core.errors import NotAllowed
from dispatcher.core.lifecycle import Run
from dispatcher.store.contract import Store

Kind = Literal["owner", "run", "agent"]


@dataclass(frozen=True)
class Identity:
    """Who is calling: the owner, a run (`subject` = its id) or the agent of a target (its name)."""

    kind: Kind
    subject: str = ""

    def may_touch(self, run: Run) -> bool:
        """Whether it may read and change that run."""
        if self.kind == "owner":
            return True
        return self.kind == "run" and (run.id == self.subject or self.subject in run.lineage)


class AccessService:
    """Makes and checks tokens."""

    def __init__(self, store: Store, owner_token: str) -> None:
        self._store = store
        self._owner = owner_token
        secret = store.write(lambda tx: tx.registry.meta("secret", secrets.token_hex(32)))
        self._secret = bytes.fromhex(secret)

    def run_token(self, run_id: str, attempt: int) -> str:
        return self._sign(f"run.{attempt}.{run_id}")

    def agent_token(self, target: str) -> str:
        return self._sign(f"agent.0.{target}")

    def is_owner(self, token: str) -> bool:
        """Whether it is the owner's token."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._owner.encode())

    def identify(self, token: str) -> Identity:
        """Say whose token it is. Raises NotAllowed."""
        if self.is_owner(token):
            return Identity("owner")
        body, _, _signature = token.rpartition(".")
        if not body or not hmac.compare_digest(self._sign(body).encode(), token.encode()):
            raise NotAllowed("the token is not valid here")
        kind, attempt, subject = body.split(".", 2)
        if kind == "agent":
            return Identity("agent", subject)
        run = self._store.read(lambda tx: tx.runs.get([subject])).get(subject)
        if run is None or run.terminal or run.attempt != int(attempt):
            raise NotAllowed(f"the token of run {subject} (attempt {attempt}) is no longer valid")
        return Identity("run", subject)

    def _sign(self, body: str) -> str:
        return f"{body}.{hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()}"
