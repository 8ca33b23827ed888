"""Environments under a name; versions count up, and one that is unchanged keeps its version."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.environments.contract import RegisteredEnvironment

MAX_DEFINITION = 1024 * 1024
_NOT_CONTENT = ("name", "version", "assetId")


class EnvironmentService:
    """Registers environments."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def register(self, name: str, definition: Mapping[str, Any]) -> RegisteredEnvironment:
        """Register what an environment says; answers its version. Raises InvalidSpec."""
        content = {k: v for k, v in definition.items() if k not in _NOT_CONTENT}
        text = json.dumps(content, sort_keys=True)
        if len(text) > MAX_DEFINITION:
            raise InvalidSpec(f"definition: {len(text)} characters; at most {MAX_DEFINITION}")
        digest = hashlib.sha256(text.encode()).hexdigest()
        now = self._clock()

        def work(tx: Transaction) -> RegisteredEnvironment:
            while True:
                known = tx.environments.find(name)
                if known is not None and known.digest == digest:
                    return known
                number = known.version + 1 if known else 1
                made = RegisteredEnvironment(name, number, digest, content, now)
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
