"""Configuration objects that refuse attributes they do not have, as v1's do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, FrozenSet


class Section:
    """A part of a configuration; once `_seal()` was called, a misspelt attribute raises."""

    text_or_list: FrozenSet[str] = frozenset()  # fields that a file gives as a text or as a list
    _sealed = False

    def _seal(self) -> None:
        object.__setattr__(self, "_sealed", True)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._sealed and name not in self.__dict__ and not hasattr(type(self), name):
            known = sorted(key for key in self.__dict__ if not key.startswith("_"))
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}; it has {', '.join(known)}."
            )
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    __hash__ = None  # type: ignore[assignment]  # it can change
