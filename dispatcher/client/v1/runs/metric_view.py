"""Conversion of logged points into the dict of `get_metrics`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

_SHAPE_OF = {"scalar": "list", "list": "list", "row": "table", "table": "table"}


def view(points: List[Dict[str, Any]]) -> Dict[str, Any]:
    """Collect points, in logging order, by metric; of several shapes the first one counts."""
    shapes: Dict[str, str] = {}
    collected: Dict[str, Any] = {}
    for point in points:
        name, kind = point["n"], point["k"]
        shape = _SHAPE_OF.get(kind, "artifact")
        if shapes.setdefault(name, shape) != shape:
            continue
        if shape == "table":
            _add_rows(collected.setdefault(name, {}), kind, point["v"])
        else:
            values = point["v"] if kind == "list" else [point["v"]]
            collected.setdefault(name, []).extend(values)
    return {name: _shown(values) for name, values in collected.items()}


def _add_rows(table: Dict[str, List[Any]], kind: str, value: Dict[str, Any]) -> None:
    for column, cell in value.items():
        table.setdefault(column, []).extend(cell if kind == "table" else [cell])


def _shown(values: Any) -> Any:
    """A single value stands for itself, in a list as in the columns of a one-row table."""
    if isinstance(values, list):
        return values[0] if len(values) == 1 else values
    if all(len(column) == 1 for column in values.values()):
        return {name: column[0] for name, column in values.items()}
    return values
