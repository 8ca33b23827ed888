"""Arguments of the wrong kind are refused where they are given, by name."""

from __future__ import annotations

from dispatcher.client.errors import WrongArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Optional, Tuple, Type, Union

    Kinds = Union[Type[Any], Tuple[Type[Any], ...]]


def texts(**given: object) -> None:
    """Each is a text."""
    for name, value in given.items():
        if not isinstance(value, str):
            refuse(name, "a text", value)


def texts_or_none(**given: object) -> None:
    """Each is a text or None."""
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            refuse(name, "a text or None", value)


def paths(**given: object) -> None:
    """Each is a path: a text or something that stands for one."""
    for name, value in given.items():
        if not isinstance(value, str) and not hasattr(value, "__fspath__"):
            refuse(name, "a path", value)


def paths_or_none(**given: object) -> None:
    """Each is a path or None."""
    paths(**{name: value for name, value in given.items() if value is not None})


def mappings(**given: object) -> None:
    """Each is a dict whose keys are texts, or None."""
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, dict):
            refuse(name, "a dict", value)
        for key in value:
            if not isinstance(key, str):
                refuse(name, "a dict whose keys are texts", key, "it has the key")


def filters(**given: object) -> None:
    """Each is what runs are found by: a key, a dict of keys and texts, or None."""
    for name, value in given.items():
        if isinstance(value, dict):
            mappings(**{name: value})
            for item in value.values():
                if item is not None and not isinstance(item, str):
                    refuse(name, "a dict of texts (tags are kept as texts)", item, "it holds")
        elif value is not None and not isinstance(value, str):
            refuse(name, "a key, or a dict of keys and values", value)


def lists_of_texts(**given: object) -> None:
    """Each is a list or tuple of texts."""
    for name, value in given.items():
        if not isinstance(value, (list, tuple)):
            refuse(name, "a list of texts", value)
        for item in value:
            if not isinstance(item, str):
                refuse(name, "a list of texts", item, "it holds")


def number(name: str, value: Any, least: float = 0, *, or_none: bool = True) -> None:
    """It is a number that is not below `least`, or None."""
    if value is None and or_none:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse(name, "a number", value)
    if not value >= least:
        raise WrongArgument(f"{name} is {least:g} at least, not {value!r}.")


def count(name: str, value: Any, least: int = 1, *, or_none: bool = False) -> Any:
    """The value, if it is a whole number that is not below `least`."""
    if value is None and or_none:
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        refuse(name, "a whole number", value)
    if value < least:
        raise WrongArgument(f"{name} is {least} at least, not {value!r}.")
    return value


def instance(name: str, value: object, kinds: Kinds, said: Optional[str] = None) -> None:
    """It is an object of one of these classes."""
    if not isinstance(value, kinds):
        known = kinds if isinstance(kinds, tuple) else (kinds,)
        refuse(name, said or "a " + " or ".join(kind.__name__ for kind in known), value)


def refuse(name: str, wanted: str, value: object, how: str = "this is") -> NoReturn:
    """Raise what says so."""
    shown = repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "…"
    raise WrongArgument(f"{name} takes {wanted}; {how} {shown}, a {type(value).__name__}.")
