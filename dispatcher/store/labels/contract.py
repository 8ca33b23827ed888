"""Tags, properties and descriptions of runs."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from dispatcher.store.events.contract import NewEvent

MOST_NAMES = 100  # named by an event; a sweep tags its run with a thousand


def label_event(change: str, run_id: str, names: Iterable[str]) -> NewEvent:
    """`labels.TagsSet`, `labels.TagsRemoved`, `labels.PropertiesAdded` or `labels.Described`."""
    return NewEvent(
        f"labels.{change}", run_id, data={"names": sorted(names)[:MOST_NAMES]}, run_id=run_id
    )


def wanted(
    filters: Iterable[tuple[str, tuple[str | None] | None]], have: Mapping[str, str | None]
) -> bool:
    """Whether labels satisfy tag or property filters (the rule, as `memory.py` uses it)."""
    return all(key in have and (value is None or have[key] == value[0]) for key, value in filters)


class Labels(Protocol):
    def tags(self, ids: Collection[str]) -> dict[str, dict[str, str | None]]: ...
    def properties(self, ids: Collection[str]) -> dict[str, dict[str, str | None]]: ...
    def properties_like(self, prefix: str) -> list[tuple[str, str, str | None]]:
        """(run, key, value) of all properties, of any run, whose keys start so."""

    def label_all(
        self,
        tags: Mapping[str, Mapping[str, str | None]],
        properties: Mapping[str, Mapping[str, str | None]],
    ) -> None:
        """Give new runs their first tags and properties."""

    def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> None: ...
    def remove_tags(self, run_id: str, keys: Collection[str]) -> None: ...
    def add_properties(self, run_id: str, properties: Mapping[str, str | None]) -> None:
        """Add them; raises PropertyConflict (and changes nothing) if one is there with another
        value.
        """

    def describe(self, run_id: str, fields: Mapping[str, str | None]) -> None:
        """Set display_name, description or child_policy."""
