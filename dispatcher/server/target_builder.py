"""Configurations of compute targets, checked, stored and turned into targets.

The token of a Ray cluster is a secret: what is stored holds a reference to it (`access.secrets`),
and the value is put in place when the target is made.
"""

from collections.abc import Callable, Mapping
from typing import Any

import targets
from dispatcher.access.secrets import PREFIX, SecretNotFound, SecretStore, is_reference
from dispatcher.core.errors import InvalidSpec
from dispatcher.store.contract import Store, Transaction
from targets.attaching import with_gpus
from targets.base import Target
from targets.config import parse
from targets.service_address import ServiceAddress

SECRET_FIELDS = ("token",)


class TargetBuilder:
    """See `engine.workers.live_targets.TargetKinds`.

    Args:
        site: Where the service is.
        agent_token: Issues the token of the agent of a target.
        secrets: Where the secrets of configurations are kept.
    """

    def __init__(
        self, site: ServiceAddress, agent_token: Callable[[str], str], secrets: SecretStore
    ) -> None:
        self._site, self._agent_token, self._secrets = site, agent_token, secrets

    def parse(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is stored, without secrets. Raises InvalidSpec.

        A target that names no GPUs gets those that are detected.
        """
        stored = parse(with_gpus(config)).store()
        for field in SECRET_FIELDS:
            value = stored.get(field)
            if isinstance(value, str) and value:
                stored[field] = self._reference(str(stored["name"]), field, value)
        return stored

    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return parse(config).show()

    def build(self, config: Mapping[str, Any]) -> Target:
        """Make the target. Raises SecretNotFound, TargetUnavailable."""
        whole = {
            field: self._secrets.resolve(value) if field in SECRET_FIELDS and value else value
            for field, value in config.items()
        }
        parsed = parse(whole)
        return targets.build(parsed, self._site, self._agent_token(parsed.name))

    def _reference(self, target: str, field: str, value: str) -> str:
        if not is_reference(value):
            name = f"target.{target}.{field}"
            self._secrets.set(name, value)
            return PREFIX + name
        try:
            self._secrets.require(value)
        except SecretNotFound as error:
            raise InvalidSpec(f"{field}: {error}") from error
        return value


def move_secrets(store: Store, factory: TargetBuilder) -> None:
    """Move what an earlier release kept in the database: a stored secret becomes a reference."""
    for name, config in store.read(lambda tx: tx.registry.targets()).items():
        held = [config.get(field) for field in SECRET_FIELDS]
        if any(value and not is_reference(str(value)) for value in held):
            moved = factory.parse(config)

            def put(tx: Transaction, name: str = name, moved: dict[str, Any] = moved) -> None:
                tx.registry.put_target(name, moved)

            store.write(put)
