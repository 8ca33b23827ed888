"""What an expression stands for, as far as the shim knows it, and one step along a dot."""

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
    """A function, or a method: of a class or of whatever may be derived from it."""

    function: Callable[..., Any]
    name: str
    overrides: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True)
class Object:
    """Objects of a class: `one`, `many`, a `map` to them, or `pairs` whose second one is.

    `sure` is False where the class was only guessed from a parameter's name.
    """

    cls: type
    shape: str = "one"
    sure: bool = True

    def one(self) -> "Object":
        return Object(self.cls, "one", self.sure)


@dataclass(frozen=True)
class Nothing:
    """A name of v1 that is not here."""

    name: str
    fix: str


@dataclass
class Local:
    """A function of the user's: what it was seen to be called with, and to return."""

    parameters: list[str]
    bound: dict[str, "Value"] = field(default_factory=dict)
    result: "Value | None" = None


Value = Module | Class | Function | Object | Nothing | Local


def module(name: str) -> Value:
    """The module of that v1 name."""
    if name in surface.packages():
        return Module(name)
    return Nothing(name, remarks.of_module(name))


def attribute(value: Value, name: str) -> Value | None:
    """What `value.name` stands for; None if nothing can be said of it."""
    match value:
        case Module():
            return _of_module(value, name)
        case Class():
            return _of_class(value, name)
        case Object(shape="one"):
            return _of_object(value, name)
        case Object(shape="map") if name in ("values", "items"):
            return Local([], result=Object(value.cls, "many" if name == "values" else "pairs"))
    return None


def call(value: Value) -> Value | None:
    """What calling it gives."""
    match value:
        case Class():
            return Object(value.cls)
        case Function():
            return _object(surface.returned(value.function))
        case Local():
            return value.result
    return None


def _of_module(value: Module, name: str) -> Value | None:
    dotted = f"{value.name}.{name}"
    if dotted in surface.packages():
        return Module(dotted)
    try:
        member = getattr(surface.packages()[value.name], name)
    except AttributeError:
        return Nothing(dotted, remarks.of_name(dotted))
    refused = surface.refusal(member)
    if refused is not None:
        return Nothing(dotted, remarks.INSTEAD.get(dotted, refused))
    if inspect.isclass(member):
        return Class(member, dotted)
    return Function(member, dotted) if callable(member) else None


def _of_class(value: Class, name: str) -> Value | None:
    member = surface.member(value.cls, name)
    if member is None:
        return _absent(value.cls, name) if not name.startswith("_") else None
    return _of_member(value.cls, name, member)


def _of_object(value: Object, name: str) -> Value | None:
    member = surface.member(value.cls, name)
    if member is None:
        known = surface.attribute_class(value.cls, name)
        if known is not None:
            return Object(known)
        if surface.has(value.cls, name) or name.startswith("_") or not value.sure:
            return None
        derived = (c for c in surface.derived(value.cls) if surface.has(c, name))
        special = next(derived, None)
        return _of_object(Object(special), name) if special else _absent(value.cls, name)
    if isinstance(member, property):
        refused = surface.refusal(member.fget) if member.fget else None
        if refused is not None:
            dotted = f"{value.cls.__name__}.{name}"
            return Nothing(dotted, remarks.INSTEAD.get(dotted, refused))
        return _object(surface.returned(member))
    return _of_member(value.cls, name, member)


def _of_member(cls: type, name: str, member: Any) -> Value | None:
    dotted = f"{cls.__name__}.{name}"
    if not callable(member) or inspect.isclass(member):
        return None
    refused = surface.refusal(member)
    if refused is not None:
        return Nothing(dotted, remarks.INSTEAD.get(dotted, refused))
    overrides = (surface.member(each, name) for each in surface.derived(cls))
    return Function(member, dotted, tuple(each for each in overrides if each is not member))


def _absent(cls: type, name: str) -> Nothing:
    dotted = f"{cls.__name__}.{name}"
    meant = surface.similar(cls, name)
    fix = f"Did you mean {cls.__name__}.{meant}?" if meant else remarks.of_name(dotted)
    return Nothing(dotted, remarks.INSTEAD.get(dotted, fix))


def _object(member: surface.Returned | None) -> Object | None:
    return Object(member.cls, member.shape) if member is not None else None
