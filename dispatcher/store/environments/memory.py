"""Registered environments of the store in memory."""

from dispatcher.store.environments.contract import RegisteredEnvironment
from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.memory_state import State


class MemoryEnvironments:
    """See `contract.Environments`."""

    def __init__(self, state: State, events: Events) -> None:
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
        return next((each for each in found if version in (None, each.version)), None)

    def latest(self) -> list[RegisteredEnvironment]:
        names = sorted({name for name, _ in self._state.environments})
        return [self.versions(name)[0] for name in names]

    def versions(self, name: str) -> list[RegisteredEnvironment]:
        mine = [each for each in self._state.environments.values() if each.name == name]
        return sorted(mine, key=lambda each: each.version, reverse=True)
