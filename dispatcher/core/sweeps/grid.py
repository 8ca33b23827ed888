"""Every combination of choices, by number. Pure.

None is held but those of parameters that depend on each other, so a grid may be as large as it
likes. Only combinations that exist are counted: a parameter whose condition does not hold takes no
part.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.sweeps.expressions import canonical
from dispatcher.core.sweeps.search_space import Space

MAX_DEPENDENT, MAX_JOINED = 10_000, 100


class Grid:
    """The grid of a space: all of its parameters are choices.

    The last parameter runs fastest. An option that comes twice counts once.

    Raises:
        InvalidSpec: A parameter is not a choice, or too many depend on each other.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        options: dict[str, Sequence[Any]] = {}
        for name, each in space.parameters.items():
            if not each.is_choice:
                raise InvalidSpec(
                    f"parameter_space.{name}: grid sampling takes choice alone, not {each.kind}"
                )
            options[name] = tuple({canonical(o): o for o in each.arguments}.values())
        self._parts = [_part(space, names, options) for names in _dependent(space)]
        self.size = math.prod(len(part) for part in self._parts)

    def cell(self, number: int) -> dict[str, Any]:
        """The cell of that number, from 0."""
        found: dict[str, Any] = {}
        for part in reversed(self._parts):
            number, index = divmod(number, len(part))
            found.update(part[index])
        return {name: found[name] for name in self._space.parameters if name in found}


def _dependent(space: Space) -> list[list[str]]:
    """The parameters in groups that depend on each other, by the first of each."""
    group = {name: {name} for name in space.parameters}
    for name, condition in space.conditions.items():
        joined = set().union(*(group[each] for each in (name, *condition)))
        group.update(dict.fromkeys(joined, joined))
    groups: dict[int, list[str]] = {}
    for name in space.order:
        groups.setdefault(id(group[name]), []).append(name)
    places = {name: place for place, name in enumerate(space.parameters)}
    return sorted(groups.values(), key=lambda names: min(places[name] for name in names))


def _part(
    space: Space, names: Sequence[str], options: Mapping[str, Sequence[Any]]
) -> Sequence[Mapping[str, Any]]:
    if len(names) == 1:
        return [{names[0]: option} for option in options[names[0]]]
    if len(names) > MAX_JOINED:
        raise InvalidSpec(
            f"parameter_space: {len(names)} parameters depend on each other, {names[0]} among "
            f"them; a grid takes {MAX_JOINED} of such at most"
        )
    found = []
    for cell in _combinations(space, names, options, {}):
        found.append(cell)
        if len(found) > MAX_DEPENDENT:
            raise InvalidSpec(
                f"parameter_space: {', '.join(names)[:200]} depend on each other and have more "
                f"than {MAX_DEPENDENT} combinations; a grid takes no more of such"
            )
    return found


def _combinations(
    space: Space, names: Sequence[str], options: Mapping[str, Sequence[Any]], so_far: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not names:
        yield so_far
        return
    first, rest = names[0], names[1:]
    if not space.exists(first, so_far):
        yield from _combinations(space, rest, options, so_far)
        return
    for option in options[first]:
        yield from _combinations(space, rest, options, {**so_far, first: option})
