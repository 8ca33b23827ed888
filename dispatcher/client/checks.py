"""Checks of arguments: a wrong kind raises an error that names the argument.

`checked` reads a function's annotations, so the signature is the rule. Annotations that `_KINDS`
does not list are not checked: flags, logged values, v1 arguments without effect.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, NoReturn, Optional, Tuple, Type, TypeVar, Union

    Kinds = Union[Type[Any], Tuple[Type[Any], ...]]
    Check = Callable[[str, Any], None]
    F = TypeVar("F", bound=Callable[..., Any])
    C = TypeVar("C", bound=type)

_PATHS = frozenset((
    *("path", "file_path", "output_file_path", "output_directory", "destination", "target_dir"),
    *("file_or_folder_path", "snapshot_directory", "source_directory", "base_directory"),
    *("conda_dependencies_file_path", "conda_file_path", "file_name", "_file_name"),
    *("conda_specification", "pip_requirements"),
))  # fmt: skip

_NEVER_EMPTY = frozenset(("run_id", "workspace_name", "experiment_id", "model_name", "snapshot_id"))


def checked(function: F) -> F:
    """The function, its arguments looked at as its annotations say."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    rules = {
        name: _rule(name, str(function.__annotations__[name]))
        for name in names
        if name in function.__annotations__
    }
    needed: Dict[str, Check] = {name: rule for name, rule in rules.items() if rule is not None}
    if not needed:
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        for name, value in zip(names, args):  # noqa: B905  (there may be more names)
            if name in needed:
                needed[name](name, value)
        for name, value in kwargs.items():
            if name in needed:
                needed[name](name, value)
        return function(*args, **kwargs)

    call.__name__, call.__qualname__ = function.__name__, function.__qualname__
    call.__doc__, call.__module__ = function.__doc__, function.__module__
    call.__annotations__ = function.__annotations__
    call.__wrapped__ = function  # type: ignore[attr-defined]  # what inspect.signature follows
    return call  # type: ignore[return-value]


def checked_class(cls: C) -> C:
    """The class, its public methods `checked`. `log` and its like look for themselves: they are
    called a million times.
    """
    for name, member in list(vars(cls).items()):
        if name.startswith("log") or (name.startswith("_") and name != "__init__"):
            continue
        kind = type(member)
        if kind in (staticmethod, classmethod):
            setattr(cls, name, kind(checked(member.__func__)))
        elif kind is type(checked_class):
            setattr(cls, name, checked(member))
    return cls


def texts(**arguments: object) -> None:
    """Each is a text that can be kept: without NUL and lone surrogates."""
    for name, value in arguments.items():
        text(name, value)


def text(name: str, value: object) -> None:
    """It is a text that can be kept."""
    if not isinstance(value, str):
        refuse(name, "a text", value)
    if not value and name in _NEVER_EMPTY:
        refuse(name, "a text that is not empty", value)
    if "\0" in value or not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            refuse(name, "a text without lone surrogates", value)
        if "\0" in value:
            refuse(name, "a text without NUL", value)


def texts_or_none(**arguments: object) -> None:
    """Each is such a text or None."""
    for name, value in arguments.items():
        if value is not None:
            text(name, value)


def paths(**arguments: object) -> None:
    """Each is a path: a text or something that stands for one."""
    for name, value in arguments.items():
        path(name, value)


def path(name: str, value: object) -> None:
    """It is a path."""
    if not isinstance(value, str) and not hasattr(value, "__fspath__"):
        refuse(name, "a path", value)
    if "\0" in str(value):
        refuse(name, "a path without NUL", value)
    try:
        str(value).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        refuse(name, "a path that a file system can have", value)


def paths_or_none(**arguments: object) -> None:
    """Each is a path or None."""
    paths(**{name: value for name, value in arguments.items() if value is not None})


def mappings(**arguments: object) -> None:
    """Each is a dict whose keys are texts, or None."""
    for name, value in arguments.items():
        if value is not None:
            mapping(name, value)


def mapping(name: str, value: object) -> None:
    """It is a dict whose keys are texts."""
    if not isinstance(value, dict):
        refuse(name, "a dict", value)
    for key in value:
        if not isinstance(key, str):
            refuse(name, "a dict whose keys are texts", key, "it has the key")
        text(name, key)


def filters(**arguments: object) -> None:
    """Each is what runs are found by: a key, a dict of keys and texts, or None."""
    for name, value in arguments.items():
        if isinstance(value, dict):
            mapping(name, value)
            for item in value.values():
                if item is not None and not isinstance(item, str):
                    refuse(name, "a dict of texts (tags are kept as texts)", item, "it holds")
            texts_or_none(**{name: "".join(item or "" for item in value.values())})
        elif value is not None and not isinstance(value, str):
            refuse(name, "a key, or a dict of keys and values", value)
        elif value is not None:
            text(name, value)


def lists_of_texts(**arguments: object) -> None:
    """Each is a list or tuple of texts."""
    for name, value in arguments.items():
        if not isinstance(value, (list, tuple)):
            refuse(name, "a list of texts", value)
        for item in value:
            if not isinstance(item, str):
                refuse(name, "a list of texts", item, "it holds")
            text(name, item)


def number(name: str, value: Any, least: float = 0, *, or_none: bool = True) -> None:
    """It is a number that is not below `least`, or None."""
    if value is None and or_none:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse(name, "a number", value)
    if not value >= least:
        _deny(f"{name} is {least:g} at least, not {value!r}.")


def count(name: str, value: Any, least: int = 1, *, or_none: bool = False) -> Any:
    """The value, if it is a whole number that is not below `least`."""
    if value is None and or_none:
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        refuse(name, "a whole number", value)
    if value < least:
        _deny(f"{name} is {least} at least, not {value!r}.")
    return value


def instance(name: str, value: object, kinds: Kinds, expected: Optional[str] = None) -> None:
    """It is an object of one of these classes."""
    if not isinstance(value, kinds):
        known = kinds if isinstance(kinds, tuple) else (kinds,)
        refuse(name, expected or "a " + " or ".join(kind.__name__ for kind in known), value)


def refuse(name: str, expected: str, value: object, how: str = "this is") -> NoReturn:
    """Raise what says so."""
    shown = repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "…"
    _deny(f"{name} takes {expected}; {how} {shown}, a {type(value).__name__}.")


def _rule(name: str, annotation: str) -> Optional[Check]:
    is_optional = annotation.startswith("Optional[")
    kind = annotation[9:-1] if is_optional else annotation
    rule = path if kind == "str" and name in _PATHS else _KINDS.get(kind)
    if rule is None or not is_optional:
        return rule
    needed = rule

    def or_none(name: str, value: Any) -> None:
        if value is not None:
            needed(name, value)

    return or_none


def _a(class_name: str) -> Check:
    """By name: the class is not imported for it."""

    def check(name: str, value: Any) -> None:
        if all(each.__name__ != class_name for each in type(value).__mro__):
            refuse(name, f"a {class_name}", value)

    return check


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        refuse(name, "a whole number", value)


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        refuse(name, "a number", value)


_KINDS: Dict[str, Check] = {
    "str": text,
    "int": _whole,
    "float": _number,
    "Filter": lambda name, value: filters(**{name: value}),
    "List[str]": lambda name, value: lists_of_texts(**{name: value}),
    "Sequence[str]": lambda name, value: lists_of_texts(**{name: value}),
    **dict.fromkeys(("Dict[str, Any]", "Dict[str, str]"), mapping),
    **{kind: _a(kind) for kind in ("Workspace", "Experiment", "Run")},
}


def _deny(text: str) -> NoReturn:
    from dispatcher.client.errors import WrongArgument  # not before: scripts seldom need it

    raise WrongArgument(text)
