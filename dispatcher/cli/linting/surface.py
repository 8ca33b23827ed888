"""The API surface of the shim, read from its imported modules.

`azureml` is imported from the shim's folder, even if a real azureml is installed.
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

SHIM_FOLDER = Path(azureml_shim.__file__).resolve().parent
_IDENTIFIER = re.compile(r"\w+")
_ITERABLES = (
    "Iterator",
    "Iterable",
    "List",
    "Sequence",
    "list",
    "tuple",
    "Generator",
    "Collection",
)
_CONVENTIONS = {
    "run": "Run",
    "ws": "Workspace",
    "workspace": "Workspace",
    "experiment": "Experiment",
}
_MAPPINGS = ("Dict", "Mapping", "dict")


@dataclass(frozen=True)
class ReturnType:
    """A return type: `one` object of a class, `many`, or a `map` to such objects."""

    cls: type
    shape: str = "one"


@functools.cache
def packages() -> Mapping[str, ModuleType]:
    """All modules of the shim, by v1 name.

    Raises:
        UserErrorException: This process has imported another `azureml`.
    """
    sys.path.insert(0, str(SHIM_FOLDER))
    try:
        root = importlib.import_module("azureml")
        modules = {"azureml": root}
        for each in pkgutil.walk_packages(root.__path__, "azureml."):
            modules[each.name] = importlib.import_module(each.name)
    finally:
        sys.path.remove(str(SHIM_FOLDER))
    path = Path(str(root.__file__)).resolve()
    if not path.is_relative_to(SHIM_FOLDER):
        raise UserErrorException(f"This process has imported another azureml: {path}.")
    return modules


@functools.cache
def classes() -> Mapping[str, type]:
    """All classes of the shim, by name without module."""
    by_name: dict[str, type] = {}
    for module in packages().values():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) and refusal(value) is None:
                by_name.setdefault(name, value)
    for cls in list(by_name.values()):
        for attribute in _instance_attributes(cls).values():
            if attribute is not None:
                by_name.setdefault(attribute.__name__, attribute)
    return by_name


def refusal(value: object) -> str | None:
    """The reason why a name of the shim cannot be used; None if it can."""
    reason = getattr(type(value), "_instead", None)
    if reason is not None and inspect.isclass(value):
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
    """Whether a function's body only raises."""
    module_name = getattr(function, "__module__", "") or ""
    if not module_name.startswith("dispatcher.") or not inspect.isfunction(function):
        return False
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    statements = getattr(definition, "body", [])
    return isinstance(statements[-1], ast.Raise) and all(
        isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
        for each in statements[:-1]
    )


def member(cls: type, name: str) -> Any:
    """A member of a class as it was defined: a function, a property. None if there is none."""
    attribute = inspect.getattr_static(cls, name, None)
    if isinstance(attribute, staticmethod | classmethod):
        return attribute.__func__
    return attribute


def has_attribute(cls: type, name: str) -> bool:
    """Whether objects of a class have an attribute, of the class or set in a method."""
    return name in _instance_attributes(cls) or inspect.getattr_static(cls, name, None) is not None


@functools.cache
def subclasses(cls: type) -> tuple[type, ...]:
    """The proper subclasses of a class in the shim."""
    return tuple(each for each in classes().values() if issubclass(each, cls) and each is not cls)


def attribute_class(cls: type, name: str) -> type | None:
    """The class of an attribute that a method sets by a plain call; None if it is unknown."""
    return _instance_attributes(cls).get(name)


def return_type(value: object) -> ReturnType | None:
    """The annotated return type of a function or property; None if it is not a shim class."""
    if isinstance(value, property):
        value = value.fget
    text = str(getattr(value, "__annotations__", {}).get("return", ""))
    return _parse_annotation(text)


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function; `**any` if it has no signature."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("any", inspect.Parameter.VAR_KEYWORD)]


def similar_attribute(cls: type, name: str) -> str | None:
    """A public attribute with a similar name."""
    known = [each for each in {*dir(cls), *_instance_attributes(cls)} if each[0] != "_"]
    return next(iter(difflib.get_close_matches(name, known, 1, 0.75)), None)


def is_closed(cls: type) -> bool:
    """Whether objects of a class refuse unknown attributes."""
    return issubclass(cls, Section)


def class_by_convention(name: str) -> type | None:
    """The class that a parameter with this name usually has in v1's code."""
    return classes().get(_CONVENTIONS.get(name, ""))


def _parse_annotation(text: str) -> ReturnType | None:
    names = _IDENTIFIER.findall(text)
    for name in names:
        if name in classes():
            outer = names[: names.index(name)]
            shape = (
                "map"
                if set(outer) & set(_MAPPINGS)
                else "many"
                if set(outer) & set(_ITERABLES)
                else "one"
            )
            return ReturnType(classes()[name], shape)
    return None


@functools.cache
def _instance_attributes(cls: type) -> Mapping[str, type | None]:
    """The attributes that methods set on `self`; with their class if the value is a plain call."""
    attributes: dict[str, type | None] = {}
    for each in reversed(cls.__mro__):
        if not each.__module__.startswith("dispatcher."):
            continue
        names = vars(sys.modules[each.__module__])
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(each)))):
            targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            for target in _flatten(targets):
                if _is_self_attribute(target):
                    attributes[target.attr] = _called_class(node.value, names)
    return attributes


def _flatten(targets: list[Any]) -> list[Any]:
    return [
        part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])
    ]


def _is_self_attribute(target: Any) -> bool:
    return (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    )


def _called_class(value: ast.expr | None, names: Mapping[str, Any]) -> type | None:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        called = names.get(value.func.id)
        return called if inspect.isclass(called) else None
    return None
