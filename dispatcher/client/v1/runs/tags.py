"""Tags (they can change) and properties (they are written once)."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.v1.runs.record import RecordedRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Optional


@checks.checked_class
class RunTags(RecordedRun):
    """The labels of a run. `.tags` and `.properties` are as last seen, `get_…()` asks."""

    @property
    def tags(self) -> Dict[str, Optional[str]]:
        """The tags as last seen."""
        return dict(self._known("tags"))

    def get_tags(self) -> Dict[str, Optional[str]]:
        """The tags now."""
        return dict(self._refresh()["tags"])

    def tag(self, key: str, value: Any = None) -> None:
        """Set one tag, on a run of any status. Without a value it reads back as None.

        As in v1, a value that is not a string is kept as `str(value)`, with a warning.
        """
        self._change({"tags": as_texts({key: value})})

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Set several tags; the others stay. Values become text, None stays None."""
        self._change({"tags": as_texts(tags)})

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove tags by key; one that is not there is fine."""
        keys = [tags] if isinstance(tags, str) else tags
        if isinstance(keys, (set, frozenset, dict)) or hasattr(keys, "__next__"):
            keys = list(keys)
        checks.lists_of_texts(tags=keys)
        self._change({"remove_tags": list(keys)})

    @property
    def properties(self) -> Dict[str, Optional[str]]:
        """The properties as last seen."""
        return dict(self._known("properties"))

    def get_properties(self) -> Dict[str, Optional[str]]:
        """The properties now."""
        return dict(self._refresh()["properties"])

    def add_properties(self, properties: Dict[str, Any]) -> None:
        """Add properties. The same value again is fine.

        Raises:
            ServiceException: One is there with another value (409); then nothing has changed.
        """
        if properties:
            self._change({"properties": as_texts(properties)})


def as_texts(values: Dict[str, Any]) -> Dict[str, Optional[str]]:
    """Texts and None as they are, everything else as `str`, with a warning as in v1."""
    texts = {}
    for key, value in values.items():
        if value is not None and not isinstance(value, str):
            import logging

            logging.getLogger("dispatcher").warning(
                "%r is not a string: its value %r is kept as %r", key, value, str(value)
            )
            value = str(value)
        if value is not None:
            checks.text(str(key), value)
        texts[str(key)] = value
    return texts
