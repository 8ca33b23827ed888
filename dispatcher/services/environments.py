"""Environments under a name; versions count up, and one that is unchanged keeps its version.

An environment is code that other runs execute, and most of them take the latest version. So not
every version counts as the latest:

- A version that a user or a service account registers counts.
- A version that a run registers is recorded under the run's name and found by its number. It counts
  only where the name itself was first registered by a run of the same submitter: then nobody else
  relies on it.

Otherwise whoever gets hold of the token of one run could run code in all later ones.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.access.permissions import Grant
from dispatcher.access.principals import Kind, Principal
from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.environments.contract import RegisteredEnvironment

MAX_DEFINITION = 1024 * 1024  # characters
_NOT_CONTENT = ("name", "version", "assetId")


class EnvironmentService:
    """Registers environments."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def register(
        self, name: str, definition: Mapping[str, Any], caller: Grant
    ) -> RegisteredEnvironment:
        """Register what an environment says; answers its version. Raises InvalidSpec."""
        content = {k: v for k, v in definition.items() if k not in _NOT_CONTENT}
        text = json.dumps(content, sort_keys=True)
        if len(text) > MAX_DEFINITION:
            raise InvalidSpec(f"definition: {len(text)} characters; at most {MAX_DEFINITION}")
        digest = hashlib.sha256(text.encode()).hexdigest()
        now = self._clock()

        def work(tx: Transaction) -> RegisteredEnvironment:
            moves_latest = _moves_latest(caller.principal, tx.environments.find(name, 1))
            while True:
                last = tx.environments.last(name)
                for known in (tx.environments.find(name), last):
                    if (
                        known is not None
                        and known.digest == digest
                        and (known.moves_latest or not moves_latest)
                    ):
                        return known
                made = RegisteredEnvironment(
                    name,
                    last.version + 1 if last else 1,
                    digest,
                    content,
                    now,
                    registered_by=caller.principal.actor,
                    submitter=caller.principal.person,
                    moves_latest=moves_latest,
                )
                if tx.environments.add(made):
                    return made

        return self._store.write(work)

    def get(self, name: str, version: int | None = None) -> RegisteredEnvironment:
        """One version, by default the latest. Raises NotFound."""
        found = self._store.read(lambda tx: tx.environments.find(name, version))
        if found is None:
            which = "" if version is None else f" of version {version}"
            raise NotFound(f"there is no environment {name!r}{which}")
        return found

    def latest(self) -> list[RegisteredEnvironment]:
        """The latest version of each, by name."""
        return self._store.read(lambda tx: tx.environments.latest())

    def versions(self, name: str) -> list[RegisteredEnvironment]:
        """All versions of one, the latest first; none of one that is not there."""
        return self._store.read(lambda tx: tx.environments.versions(name))


def _moves_latest(caller: Principal, first: RegisteredEnvironment | None) -> bool:
    """Whether a version that the caller registers counts as the latest."""
    if first is None or caller.is_person:
        return True
    is_of_a_run = first.registered_by.startswith(f"{Kind.RUN}:")
    return is_of_a_run and first.submitter == caller.person
