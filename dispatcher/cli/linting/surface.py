"""What the shim really has: its own modules, imported; nothing of it is written down twice.

`azureml` is imported from the shim's folder, whether or not a real one is installed.
"""

import ast
import difflib
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dispatcher import azureml_shim
from dispatcher.client.errors import NotYetAvailable, UserErrorException
from dispatcher.client.v1.configs.sections import Section

FOLDER = Path(azureml_shim.__file__).resolve().parent
_WORD = re.compile(r"\w+")
_MANY = ("Iterator", "Iterable", "List", "Sequence", "list", "tuple", "Generator", "Collection")
_USUAL = {"run": "Run", "ws": "Workspace", "workspace": "Workspace", "experiment": "Experiment"}
_MAP = ("Dict", "Mapping", "dict")


@dataclass(frozen=True)
class Returned:
    """What an annotation says: one object of a class, many, or a mapping to such."""

    cls: type
    shape: str = "one"


@functools.cache
def packages() -> Mapping[str, ModuleType]:
    """Every module of the shim by its v1 name.

    Raises:
        UserErrorException: Another `azureml` has been imported in this process.
    """
    sys.path.insert(0, str(FOLDER))
    try:
        root = importlib.import_module("azureml")
        modules = {"azureml": root}
        for each in pkgutil.walk_packages(root.__path__, "azureml."):
            modules[each.name] = importlib.import_module(each.name)
    finally:
        sys.path.remove(str(FOLDER))
    place = Path(str(root.__file__)).resolve()
    if not place.is_relative_to(FOLDER):
        raise UserErrorException(f"Another azureml is in this process: {place}.")
    return modules


@functools.cache
def classes() -> Mapping[str, type]:
    """Every class that the shim offers, by its bare name."""
    found: dict[str, type] = {}
    for module in packages().values():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) and refusal(value) is None:
                found.setdefault(name, value)
    for cls in list(found.values()):
        for attribute in _assigned(cls).values():
            if attribute is not None:
                found.setdefault(attribute.__name__, attribute)
    return found


def refusal(value: object) -> str | None:
    """Why a name of the shim cannot be used, where it is there only to say so; else None."""
    instead = getattr(type(value), "_instead", None)
    if instead is not None and inspect.isclass(value):
        return str(value._instead)  # type: ignore[attr-defined]
    if not callable(value) or inspect.isclass(value):
        return None
    docstring = inspect.getdoc(value) or ""
    returns = str(getattr(value, "__annotations__", {}).get("return", ""))
    if (
        returns.endswith("NoReturn")
        or NotYetAvailable.__name__ in docstring
        or docstring.startswith("Not there yet")
        or _only_raises(value)
    ):
        return docstring.split(" Raises ")[0].split("\n")[0]
    return None


def _only_raises(function: Callable[..., Any]) -> bool:
    """Whether all that a function does is to raise."""
    home = getattr(function, "__module__", "") or ""
    if not home.startswith("dispatcher.") or not inspect.isfunction(function):
        return False
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    statements = getattr(definition, "body", [])
    return isinstance(statements[-1], ast.Raise) and all(
        isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
        for each in statements[:-1]
    )


def member(cls: type, name: str) -> Any:
    """A class's member as it was written: a function, a property. None if there is none."""
    attribute = inspect.getattr_static(cls, name, None)
    if isinstance(attribute, staticmethod | classmethod):
        return attribute.__func__
    return attribute


def has(cls: type, name: str) -> bool:
    """Whether objects of the class have the attribute, be it set in a method."""
    return name in _assigned(cls) or inspect.getattr_static(cls, name, None) is not None


@functools.cache
def derived(cls: type) -> tuple[type, ...]:
    """The classes of the shim that are derived from one."""
    return tuple(each for each in classes().values() if issubclass(each, cls) and each is not cls)


def attribute_class(cls: type, name: str) -> type | None:
    """The class of an object's attribute, where the class's source shows it plainly."""
    return _assigned(cls).get(name)


def returned(value: object) -> Returned | None:
    """What a function or property gives, by its annotation."""
    if isinstance(value, property):
        value = value.fget
    text = str(getattr(value, "__annotations__", {}).get("return", ""))
    return _annotated(text)


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters; of one that does not show them, that it takes any."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("any", inspect.Parameter.VAR_KEYWORD)]


def similar(cls: type, name: str) -> str | None:
    """A public attribute of nearly that name."""
    known = [each for each in {*dir(cls), *_assigned(cls)} if each[0] != "_"]
    return next(iter(difflib.get_close_matches(name, known, 1, 0.75)), None)


def is_closed(cls: type) -> bool:
    """Whether its objects refuse attributes that they do not have."""
    return issubclass(cls, Section)


def conventional(name: str) -> type | None:
    """The class that a parameter of that name nearly always has in v1's code."""
    return classes().get(_USUAL.get(name, ""))


def _annotated(text: str) -> Returned | None:
    words = _WORD.findall(text)
    for word in words:
        if word in classes():
            outer = words[: words.index(word)]
            shape = (
                "map" if set(outer) & set(_MAP) else "many" if set(outer) & set(_MANY) else "one"
            )
            return Returned(classes()[word], shape)
    return None


@functools.cache
def _assigned(cls: type) -> Mapping[str, type | None]:
    """Attributes that methods set on `self`, with their class where it is a plain call."""
    found: dict[str, type | None] = {}
    for each in reversed(cls.__mro__):
        if not each.__module__.startswith("dispatcher."):
            continue
        names = vars(sys.modules[each.__module__])
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(each)))):
            targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            for target in _flat(targets):
                if _is_of_self(target):
                    found[target.attr] = _called(node.value, names)
    return found


def _flat(targets: list[Any]) -> list[Any]:
    return [
        part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])
    ]


def _is_of_self(target: Any) -> bool:
    return (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    )


def _called(value: ast.expr | None, names: Mapping[str, Any]) -> type | None:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        called = names.get(value.func.id)
        return called if inspect.isclass(called) else None
    return None
