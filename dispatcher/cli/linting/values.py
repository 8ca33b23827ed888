"""The values of expressions, as far as the shim's API shows, and their attributes and results."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dispatcher.cli.linting import remarks, surface


@dataclass(frozen=True)
class Module:
    name: str


@dataclass(frozen=True)
class Class:
    cls: type
    name: str


@dataclass(frozen=True)
class Function:
    """A function or a method of the shim; `overrides` are the methods of subclasses."""

    function: Callable[..., Any]
    name: str
    overrides: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True)
class Object:
    """Objects of a class.

    Attributes:
        shape: `one` object, `many`, a `map` to them, or `pairs` with one as the second element.
        is_certain: False if the class is only guessed from a parameter's name.
    """

    cls: type
    shape: str = "one"
    is_certain: bool = True

    def one(self) -> "Object":
        return Object(self.cls, "one", self.is_certain)


@dataclass(frozen=True)
class Unsupported:
    """A v1 name that is not supported; `fix` is the alternative."""

    name: str
    fix: str


@dataclass
class UserFunction:
    """A function of the checked code: the arguments of its calls, and its result."""

    parameters: list[str]
    bound: dict[str, "Value"] = field(default_factory=dict)
    result: "Value | None" = None


Value = Module | Class | Function | Object | Unsupported | UserFunction


def module(name: str) -> Value:
    """The module with a v1 name."""
    if name in surface.packages():
        return Module(name)
    return Unsupported(name, remarks.alternative_to_module(name))


def attribute(value: Value, name: str) -> Value | None:
    """The value of `value.name`; None if it is unknown."""
    match value:
        case Module():
            return _of_module(value, name)
        case Class():
            return _of_class(value, name)
        case Object(shape="one"):
            return _of_object(value, name)
        case Object(shape="map") if name in ("values", "items"):
            return UserFunction(
                [], result=Object(value.cls, "many" if name == "values" else "pairs")
            )
    return None


def call(value: Value) -> Value | None:
    """The result of calling a value; None if it is unknown."""
    match value:
        case Class():
            return Object(value.cls)
        case Function():
            return _object(surface.return_type(value.function))
        case UserFunction():
            return value.result
    return None


def _of_module(value: Module, name: str) -> Value | None:
    dotted = f"{value.name}.{name}"
    if dotted in surface.packages():
        return Module(dotted)
    try:
        member = getattr(surface.packages()[value.name], name)
    except AttributeError:
        return Unsupported(dotted, remarks.alternative_to(dotted))
    reason = surface.refusal(member)
    if reason is not None:
        return Unsupported(dotted, remarks.ALTERNATIVES.get(dotted, reason))
    if inspect.isclass(member):
        return Class(member, dotted)
    return Function(member, dotted) if callable(member) else None


def _of_class(value: Class, name: str) -> Value | None:
    member = surface.member(value.cls, name)
    if member is None:
        return _unsupported(value.cls, name) if not name.startswith("_") else None
    return _of_member(value.cls, name, member)


def _of_object(value: Object, name: str) -> Value | None:
    member = surface.member(value.cls, name)
    if member is None:
        attribute_class = surface.attribute_class(value.cls, name)
        if attribute_class is not None:
            return Object(attribute_class)
        if surface.has_attribute(value.cls, name) or name.startswith("_") or not value.is_certain:
            return None
        having = (c for c in surface.subclasses(value.cls) if surface.has_attribute(c, name))
        subclass = next(having, None)
        return _of_object(Object(subclass), name) if subclass else _unsupported(value.cls, name)
    if isinstance(member, property):
        reason = surface.refusal(member.fget) if member.fget else None
        if reason is not None:
            dotted = f"{value.cls.__name__}.{name}"
            return Unsupported(dotted, remarks.ALTERNATIVES.get(dotted, reason))
        return _object(surface.return_type(member))
    return _of_member(value.cls, name, member)


def _of_member(cls: type, name: str, member: Any) -> Value | None:
    dotted = f"{cls.__name__}.{name}"
    if not callable(member) or inspect.isclass(member):
        return None
    reason = surface.refusal(member)
    if reason is not None:
        return Unsupported(dotted, remarks.ALTERNATIVES.get(dotted, reason))
    overrides = (surface.member(each, name) for each in surface.subclasses(cls))
    return Function(member, dotted, tuple(each for each in overrides if each is not member))


def _unsupported(cls: type, name: str) -> Unsupported:
    dotted = f"{cls.__name__}.{name}"
    similar = surface.similar_attribute(cls, name)
    fix = f"Did you mean {cls.__name__}.{similar}?" if similar else remarks.alternative_to(dotted)
    return Unsupported(dotted, remarks.ALTERNATIVES.get(dotted, fix))


def _object(returned: surface.ReturnType | None) -> Object | None:
    return Object(returned.cls, returned.shape) if returned is not None else None
