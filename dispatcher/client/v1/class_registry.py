"""A registry of classes that modules below them construct; each is loaded with its first use."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

_loaders: Dict[str, Callable[[], Any]] = {}


def define(name: str, load: Callable[[], Any]) -> None:
    """Say how a class is loaded.

    Args:
        name: The class's name.
        load: Imports the module of the class and returns the class.
    """
    _loaders[name] = load


def get(name: str) -> Any:
    """The class of that name. Raises KeyError when it is not defined."""
    return _loaders[name]()
