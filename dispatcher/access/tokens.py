"""Tokens are issued and checked here.

The tokens of runs and agents are made, not stored: `<kind>.<attempt>.<subject>.<HMAC>` under the
signing key of the installation. The token of a run is valid for one attempt, and until the run has
ended.
"""

import hashlib
import hmac

from dispatcher.access import principals
from dispatcher.access.principals import OWNER_NAME, Principal
from dispatcher.core.errors import NotAllowed
from dispatcher.store.contract import Store


class TokenService:
    """Issues and checks tokens.

    Args:
        store: Where runs are read.
        key: The signing key (`access.keys`).
        owner_token: The token of the owner.
        owner_name: The name of the owner, under which the runs of that token are submitted.
    """

    def __init__(
        self, store: Store, key: bytes, owner_token: str, owner_name: str = OWNER_NAME
    ) -> None:
        self._store = store
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

    def _sign(self, body: str) -> str:
        return f"{body}.{hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()}"
