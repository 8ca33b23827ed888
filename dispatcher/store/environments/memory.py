"""Registered environments of the store in memory."""

from dispatcher.store.environments.contract import RegisteredEnvironment
from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.memory_state import MemoryState


class MemoryEnvironments:
    """See `contract.Environments`."""

    def __init__(self, state: MemoryState, events: Events) -> None:
        self._state = state
        self._events = events

    def add(self, environment: RegisteredEnvironment) -> bool:
        key = (environment.name, environment.version)
        if key in self._state.environments:
            return False
        self._state.environments[key] = environment
        data = {"version": environment.version}
        self._events.add([NewEvent("environment.Registered", environment.name, data=data)])
        return True

    def find(self, name: str, version: int | None = None) -> RegisteredEnvironment | None:
        found = self.versions(name)
        if version is None:
            return next((each for each in found if each.moves_latest), None)
        return next((each for each in found if each.version == version), None)

    def last(self, name: str) -> RegisteredEnvironment | None:
        return next(iter(self.versions(name)), None)

    def latest(self) -> list[RegisteredEnvironment]:
        names = sorted({name for name, _ in self._state.environments})
        return [each for name in names if (each := self.find(name)) is not None]

    def versions(self, name: str) -> list[RegisteredEnvironment]:
        mine = [each for each in self._state.environments.values() if each.name == name]
        return sorted(mine, key=lambda each: each.version, reverse=True)
