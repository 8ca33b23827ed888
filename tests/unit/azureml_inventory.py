"""Compares `azureml` with the recorded names, parameters and defaults of v1 (data/…json).

Tier A is in the document that is kept to, B in common use, C the rest, of which the names are kept.
"""

import ast
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.rigs.v1names import named

FACTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "azureml_inventory.json").read_text()
)
Signature = list[tuple[str, str, Any]]  # name, kind, default
NONE = object()


def breaches(look: Callable[[str], Any] = named) -> list[str]:
    """What of tiers A and B is missing or different, a sentence each."""
    found = []
    for module, entries in FACTS.items():
        for name, facts in entries.items():
            if facts["tier"] in "AB":
                for path in (f"{module}.{name}", *facts.get("also", ())):
                    found += [f"{path}{why}" for why in _breaches(path, facts, look)]
    return found


def left_out(look: Callable[[str], Any] = named) -> list[str]:
    """The names of tier C that are not there."""
    found = []
    for module, entries in FACTS.items():
        for name, facts in entries.items():
            path = f"{module}.{name}"
            try:
                there = look(path)
            except LookupError:
                there = None
            is_there = there is not None and not hasattr(type(there), "_instead")
            if facts["tier"] == "C" and not is_there:
                found.append(path)
            found += [
                f"{path}.{member}"
                for member in facts.get("tier C", ())
                if not is_there or not _has_own(there, member)
            ]
    return found


def _has_own(there: Any, member: str) -> bool:
    found = inspect.getattr_static(there, member, None)
    return found is not None and found is not inspect.getattr_static(object, member, None)


def _breaches(path: str, facts: dict[str, Any], look: Callable[[str], Any]) -> Iterator[str]:
    try:
        ours = look(path)
    except LookupError:
        yield " is missing"
        return
    if facts["kind"] == "constant":
        if ours != facts["value"]:
            yield f" is {ours!r}, not {facts['value']!r}"
    elif facts["kind"] == "function":
        yield from _different(facts["signature"], ours)
    else:
        yield from _of_class(ours, facts)


def _of_class(ours: type, facts: dict[str, Any]) -> Iterator[str]:
    sample = _sample(ours)
    for name, told in facts.get("members", {}).items():
        kind, _, rest = told.partition(" ")
        member = inspect.getattr_static(ours, name, NONE)
        if member is NONE and not (kind == "property" and hasattr(sample, name)):
            yield f".{name} is missing"
        elif kind == "property":
            settable = not isinstance(member, property) or member.fset is not None
            if rest == "settable" and not settable:
                yield f".{name} cannot be set"
        elif kind in ("attribute", "enum_member"):
            value = getattr(ours, name)
            if getattr(value, "value", value) != ast.literal_eval(rest):
                yield f".{name} is {value!r}, not {rest}"
        elif not (name == "__new__" and issubclass(ours, object) and rest == "(value)"):
            is_bound = kind != "method"
            called = getattr(ours, name) if is_bound else member
            yield from (f".{name}{why}" for why in _different(rest, called, skip=not is_bound))
    for name in facts.get("inherited", ()):
        if not hasattr(ours, name) and not hasattr(sample, name):
            yield f".{name} is missing"
    for name in facts.get("attributes", ()):
        if not hasattr(sample, name):  # an instance's, or a property of its class
            yield f".{name} is missing on an object"


def _sample(ours: type) -> Any:
    """An object of the class where one can be made of nothing, or of a name; else the class."""
    for arguments in ((), ("sample",)):
        try:
            return ours(*arguments)
        except Exception:
            continue
    return ours


def _different(wanted: str, ours: Any, *, skip: bool = False) -> Iterator[str]:
    """How a signature differs from the one it has to be compatible with."""
    theirs, mine = _parse(wanted), _signature(ours)[int(skip) :]
    if all(kind in ("*", "**") for _, kind, _ in theirs) and theirs:
        return
    named_ones = [p for p in mine if p[1] not in ("*", "**")]
    for k, (name, kind, default) in enumerate(p for p in theirs if p[1] not in ("*", "**")):
        if k >= len(named_ones) or named_ones[k][0] != name:
            there = named_ones[k][0] if k < len(named_ones) else "nothing"
            yield f": parameter {k + 1} is {there}, not {name}"
            return
        mine_default = named_ones[k][2]
        if named_ones[k][1] != kind and kind == "":
            yield f": {name} cannot be given by position"
        if default is not NONE and not _same(default, mine_default):
            shown = "no default" if mine_default is NONE else repr(mine_default)
            yield f": {name} has {shown}, not {default!r}"
    count = sum(p[1] not in ("*", "**") for p in theirs)
    for name, _, default in named_ones[count:]:
        if default is NONE:
            yield f": {name} is needed, and v1 has no such parameter"
    if any(p[1] == "**" for p in theirs) and not any(p[1] == "**" for p in mine):
        yield ": takes no further keywords"


def _same(theirs: Any, mine: Any) -> bool:
    if theirs == [] or theirs is None:  # an empty list for a default is None here
        return mine is None or mine == theirs or (theirs is None and mine in ("", False))
    return type(theirs) is type(mine) and theirs == mine


def _parse(text: str) -> Signature:
    arguments = ast.parse(f"lambda {text[1:-1]}: 0", mode="eval").body.args  # type: ignore[attr-defined]
    plain = arguments.args
    without = len(plain) - len(arguments.defaults)
    found: Signature = [
        (a.arg, "", NONE if k < without else ast.literal_eval(arguments.defaults[k - without]))
        for k, a in enumerate(plain)
    ]
    if arguments.vararg:
        found.append((arguments.vararg.arg, "*", NONE))
    if arguments.kwarg:
        found.append((arguments.kwarg.arg, "**", NONE))
    return found


def _signature(ours: Any) -> Signature:
    kinds = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
        inspect.Parameter.KEYWORD_ONLY: "keyword",
    }
    return [
        (p.name, kinds.get(p.kind, ""), NONE if p.default is p.empty else p.default)
        for p in inspect.signature(ours).parameters.values()
    ]
