"""What a sweep may try: parameters, which of them there are when, and what must hold. Pure.

A parameter is an expression (`expressions`). With a condition it exists only where others have
certain values: `["uniform", [0, 1], {"optimizer": ["sgd"]}]`. A cell names those that exist, and a
constraint (`constraints`) may reject it: then it is not a cell of the space.

Two cells are the same if their canonical JSON is: names sorted, numbers as Python writes them. `1`
and `1.0` differ, because the script is given another text.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.sweeps.constraints import Constraint, bound
from dispatcher.core.sweeps.expressions import Expression, canonical, parameter

MAX_PARAMETERS = 1_000
Values = Mapping[str, Any]
Condition = Mapping[str, frozenset[str]]  # another parameter -> the values it may have, canonical


@dataclass(frozen=True)
class Space:
    """All hyperparameters of a sweep, by name.

    `order` has each parameter after those that its condition names.
    """

    parameters: Mapping[str, Expression]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @staticmethod
    def of(told: Any, constraints: Any = ()) -> "Space":
        """Read `{name: [expression, arguments]}`, where a third element is the condition.

        Raises:
            InvalidSpec: It is none; the text names the parameter or the constraint.
        """
        if not isinstance(told, Mapping) or not told:
            raise InvalidSpec("parameter_space: an object with a parameter at least is needed")
        if len(told) > MAX_PARAMETERS:
            raise InvalidSpec(f"parameter_space: {len(told)} parameters; at most {MAX_PARAMETERS}")
        parameters, conditions = {}, {}
        for name, each in told.items():
            has_condition = isinstance(each, list | tuple) and len(each) == 3
            parameters[name] = parameter(name, each[:2] if has_condition else each)
            if has_condition:
                conditions[name] = each[2]
        known = {name: _condition(name, each, parameters) for name, each in conditions.items()}
        order = _ordered(parameters, known)
        for name in known:
            _check_possible(name, known)
        return Space(parameters, known, order, bound(constraints, tuple(parameters)))

    @property
    def size(self) -> int | None:
        """How many cells there are, rejected ones included; None if they are not to be counted."""
        sizes = [each.size for each in self.parameters.values()]
        known = [size for size in sizes if size is not None]
        return math.prod(known) if len(known) == len(sizes) and not self.conditions else None

    def exists(self, name: str, values: Values) -> bool:
        """Whether a parameter exists where those before it have these values."""
        condition = self.conditions.get(name)
        return condition is None or all(
            parent in values and canonical(values[parent]) in allowed
            for parent, allowed in condition.items()
        )

    def at(self, units: Mapping[str, float]) -> dict[str, Any]:
        """The cell at a place of the unit cube; where a parameter does not exist it is left out."""
        found: dict[str, Any] = {}
        for name in self.order:
            if self.exists(name, found):
                found[name] = self.parameters[name].value(units[name])
        return {name: found[name] for name in self.parameters if name in found}

    def units(self, values: Values) -> dict[str, float]:
        """Where in the unit cube a cell lies. Raises InvalidSpec: it is of another space."""
        names = [name for name in self.order if self.exists(name, values)]
        if values.keys() != set(names):
            raise InvalidSpec(f"a cell names {', '.join(names)}, not {', '.join(values)}")
        return {name: self.parameters[name].unit(values[name]) for name in names}

    def allows(self, values: Values) -> bool:
        """Whether no constraint rejects a cell. Raises InvalidSpec: one cannot be applied to it."""
        return all(each.holds(values) for each in self.constraints)

    def check(self, values: Values) -> None:
        """Raises InvalidSpec: it is not a cell of this space, or a constraint rejects it."""
        self.units(values)
        for each in self.constraints:
            if not each.holds(values):
                raise InvalidSpec(f"the constraint {each.text!r} rejects it")

    def has(self, values: Values) -> bool:
        """Whether a cell is one of this space."""
        try:
            self.check(values)
        except InvalidSpec:
            return False
        return True

    def arguments(self, values: Values) -> tuple[str, ...]:
        """What the script is given: `--name value` for each; dashes of a name's own stay."""
        return tuple(
            text
            for name, value in values.items()
            for text in (
                name if name.startswith("-") else f"--{name}",
                self.parameters[name].text(value),
            )
        )


def config_hash(values: Values) -> str:
    """The canonical hash of a cell."""
    return hashlib.sha256(canonical(dict(values)).encode()).hexdigest()[:32]


def _condition(name: str, told: Any, parameters: Mapping[str, Expression]) -> Condition:
    where = f"parameter_space.{name}: its condition"
    if not isinstance(told, Mapping) or not told:
        raise InvalidSpec(f"{where} is an object such as {{other: [values]}}, not {told!r:.100}")
    found: dict[str, frozenset[str]] = {}
    for parent, values in told.items():
        decides = parameters.get(parent)
        if decides is None:
            raise InvalidSpec(f"{where} names {parent!r:.100}, which is not a parameter")
        if decides.size is None:
            raise InvalidSpec(
                f"{where} goes by {parent}, a {decides.kind}; only a choice or a randint decides"
            )
        listed: Sequence[Any] = values if isinstance(values, list | tuple) else [values]
        if not listed:
            raise InvalidSpec(f"{where} allows {parent} no value: it would never exist")
        for value in listed:
            try:
                decides.unit(value)
            except InvalidSpec as error:
                raise InvalidSpec(f"{where}: {parent}: {error}") from error
        found[parent] = frozenset(canonical(value) for value in listed)
    return found


def _ordered(
    parameters: Mapping[str, Expression], conditions: Mapping[str, Condition]
) -> tuple[str, ...]:
    """Each after those that it depends on. Raises InvalidSpec, which names a circle."""
    order: dict[str, None] = {}
    waiting = list(parameters)
    while waiting:
        ready = [name for name in waiting if conditions.get(name, {}).keys() <= order.keys()]
        if not ready:
            raise InvalidSpec(
                f"parameter_space.{waiting[0]}: the conditions of {', '.join(waiting)[:200]} wait "
                "for each other in a circle"
            )
        order.update(dict.fromkeys(ready))
        waiting = [name for name in waiting if name not in order]
    return tuple(order)


def _check_possible(name: str, conditions: Mapping[str, Condition]) -> None:
    """What a parameter's condition, and those of the ones it goes by, ask of each: all of it."""
    asked: dict[str, frozenset[str]] = {}
    waiting, seen = [name], {name}
    while waiting:
        for parent, allowed in conditions.get(waiting.pop(), {}).items():
            asked[parent] = asked.get(parent, allowed) & allowed
            if not asked[parent]:
                raise InvalidSpec(
                    f"parameter_space.{name}: its condition can never hold: {parent} would need "
                    "two values at once"
                )
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
