"""One logged value → one line of JSON, by hand: on this path even `import json` is too dear.

Scalars are kept (numpy's become Python's, `np.int64` too, which v1 kept as text under numpy 2);
whatever else is logged is kept as its `repr`.
"""

from __future__ import annotations

import time

try:
    from _json import encode_basestring_ascii as _quoted
except ImportError:  # an interpreter without the accelerator
    from json.encoder import py_encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union

    from dispatcher.client.errors import AzureMLException, UserErrorException

    Scalar = Union[None, bool, int, float, str]

MOST_NAME = 1024
MOST_VALUE = 32 << 20
_INFINITY = float("inf")
_LAZY = (range, type(_ for _ in ()))


def scalar_line(name: str, value: object, description: str = "", step: Optional[int] = None) -> str:
    """The line of `log`. Raises UserErrorException for a list, a range or a generator."""
    if isinstance(value, (list, *_LAZY)):
        raise _wrong(
            f"log({name!r}, …) takes one value, not a {type(value).__name__}; use log_list."
        )
    return _line(name, "scalar", _encoded(scalar(value)), description, step)


def list_line(name: str, value: object, description: str = "") -> Optional[str]:
    """The line of `log_list`, or None for an empty list: there is nothing to keep."""
    values = _column(value)
    return _line(name, "list", _encoded(values), description) if values else None


def row_line(name: str, columns: Dict[str, object], description: Optional[str] = None) -> str:
    """The line of `log_row`. Raises AzureMLException when a column is not a scalar."""
    if not columns:
        raise _wrong(f"log_row({name!r}) needs at least one column, as in x=1.")
    row = {column: _element(value) for column, value in columns.items()}
    return _line(name, "row", _encoded(row), description or "")


def table_line(name: str, value: Dict[str, object], description: str = "") -> Optional[str]:
    """The line of `log_table`, or None for an empty table.

    Raises:
        AzureMLException: The columns are not equally long, or hold something that is not a scalar.
    """
    if not isinstance(value, dict):
        raise _wrong(f"log_table({name!r}, …) takes a dict of columns.")
    table = {str(column): _column(values) for column, values in value.items()}
    lengths = {column: len(values) for column, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise _unfit(f"The columns of table {name!r} are not equally long: {lengths}")
    return _line(name, "table", _encoded(table), description) if any(lengths.values()) else None


def artifact_line(name: str, uri: str, description: str = "") -> str:
    """The line of a metric that refers to a stored file."""
    return _line(name, "artifact", _quoted(uri), description)


def label_line(kind: str, key: str, value: Optional[str]) -> str:
    """The line of a `tag`, an `untag` or a `property`."""
    return f'{{"n":{_quoted(key)},"k":"{kind}","v":{_encoded(value)}}}\n'


def addressed(line: str, run_id: str) -> str:
    """The line, for a run above the one that says it."""
    return f'{line[:-2]},"to":{_quoted(run_id)}}}\n'


def scalar(value: object) -> Scalar:
    """What is kept of a value: a number, a text, a bool or None; its `repr` for anything else."""
    kind = type(value)
    if value is None or kind is float or kind is int or kind is str or kind is bool:
        return value  # type: ignore[return-value]
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == ():
        number = value.item()  # type: ignore[attr-defined]
        return number if type(number) in (bool, int, float, str) else repr(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return repr(value)


def _line(
    name: str, kind: str, encoded: str, description: str = "", step: Optional[int] = None
) -> str:
    if type(name) is not str or not 0 < len(name) <= MOST_NAME:
        check_name(name)
    if len(encoded) > MOST_VALUE:
        raise _wrong(
            f"value of {name!r}: {len(encoded)} characters as JSON; a metric has {MOST_VALUE} at "
            "most. Keep it as a file: run.upload_file."
        )
    encoded_description = _quoted(_description(description)) if description else "null"
    number = "null" if step is None else str(_step(step))
    return (
        f'{{"n":{_quoted(name)},"k":"{kind}","v":{encoded},"t":{time.time()!r},'
        f'"s":{number},"d":{encoded_description}}}\n'
    )


def check_name(name: object) -> None:
    """Raise UserErrorException unless a metric can be called so."""
    from dispatcher.client.checks import refuse

    if not isinstance(name, str):
        refuse("name", "a text", name)
    if not 0 < len(name) <= MOST_NAME:
        refuse("name", f"1 to {MOST_NAME} characters", name)


def _description(description: object) -> str:
    if not isinstance(description, str):
        from dispatcher.client.checks import refuse

        refuse("description", "a text", description)
    return description


def _step(step: object) -> int:
    is_whole = hasattr(step, "__index__") or (isinstance(step, float) and step.is_integer())
    if isinstance(step, bool) or not is_whole:
        from dispatcher.client.checks import refuse

        refuse("step", "a whole number", step)
    return int(step)  # type: ignore[call-overload,no-any-return]


def _encoded(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return _float(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join([_encoded(item) for item in value]) + "]"
    if isinstance(value, dict):
        pairs = [f"{_quoted(str(key))}:{_encoded(item)}" for key, item in value.items()]
        return "{" + ",".join(pairs) + "}"
    return str(value)


def _float(value: float) -> str:
    if value != value:
        return "NaN"
    if value == _INFINITY:
        return "Infinity"
    return "-Infinity" if value == -_INFINITY else float.__repr__(value)


def _column(values: object) -> List[Scalar]:
    """A column's values; one that holds a float among its numbers is a column of floats."""
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__iter__"):
        return [scalar(values)]
    if getattr(values, "shape", None) == ():
        return [scalar(values)]
    column = [_element(value) for value in values]
    kinds = {type(value) for value in column}
    if kinds == {int, float}:
        return [float(value) for value in column if value is not None]
    return column


def _element(value: Any) -> Scalar:
    if isinstance(value, (list, tuple, dict, set, *_LAZY)):
        raise _unfit(f"A list, row or table holds scalars, not a {type(value).__name__}: {value!r}")
    return scalar(value)


def _wrong(text: str) -> UserErrorException:
    from dispatcher.client.errors import UserErrorException  # not before: scripts seldom need it

    return UserErrorException(text)


def _unfit(text: str) -> AzureMLException:
    from dispatcher.client.errors import AzureMLException

    return AzureMLException(text)
