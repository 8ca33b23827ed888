"""What must hold in each cell of a sweep: expressions such as `batch * lr <= 0.1`. Pure.

They look like Python and are read by its parser, but never run by it: the tree may have what is
listed here and nothing else, and is walked. So a constraint cannot reach anything, and takes no
longer than its length allows.

A constraint that names a parameter which a cell does not have says nothing about that cell. Where
it has no value, as when it divides by zero, it rejects the cell.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.core.errors import InvalidSpec

MAX_CONSTRAINTS, MAX_LENGTH, MAX_PARTS = 100, 1_000, 200
MAX_EXPONENT = 64
_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "log": math.log,
    "log2": math.log2,
    "exp": math.exp,
    "sqrt": math.sqrt,
}
_WORDS = "comparisons, and, or, not, in, + - * / // % **, " + ", ".join(_FUNCTIONS)


@dataclass(frozen=True)
class Constraint:
    """One of them. `names` leads from the names in its text to those of the parameters."""

    text: str
    tree: ast.expr
    names: Mapping[str, str]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it lets a cell through. Raises InvalidSpec: it makes no sense of these values."""
        if any(name not in values for name in self.names.values()):
            return True
        known = {name: values[parameter] for name, parameter in self.names.items()}
        try:
            found = _value(self.tree, known)
        except (ZeroDivisionError, OverflowError, ValueError):
            return False
        except TypeError as error:
            raise InvalidSpec(f"constraints: {self.text!r}: {error}") from error
        if not isinstance(found, bool):
            raise InvalidSpec(f"constraints: {self.text!r} is neither true nor false: {found!r}")
        return found


def bound(told: Any, parameters: Sequence[str]) -> tuple[Constraint, ...]:
    """Constraints over parameters of these names. Raises InvalidSpec, which quotes the one."""
    if not isinstance(told, list | tuple):
        raise InvalidSpec(f"constraints: a list of texts is needed, not {told!r:.100}")
    if len(told) > MAX_CONSTRAINTS:
        raise InvalidSpec(f"constraints: {len(told)} of them; at most {MAX_CONSTRAINTS}")
    words: dict[str, list[str]] = {}
    for parameter in parameters:
        words.setdefault(parameter.lstrip("-").replace("-", "_"), []).append(parameter)
    return tuple(_constraint(each, words) for each in told)


def _constraint(text: Any, words: Mapping[str, Sequence[str]]) -> Constraint:
    if not isinstance(text, str) or not text.strip():
        raise InvalidSpec(f"constraints: a text is needed, not {text!r:.100}")
    if len(text) > MAX_LENGTH:
        raise InvalidSpec(f"constraints: one has {len(text)} characters; at most {MAX_LENGTH}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidSpec(f"constraints: {text!r} is not an expression: {error}") from error
    parts = list(ast.walk(tree))
    if len(parts) > MAX_PARTS:
        raise InvalidSpec(f"constraints: {text!r:.60}… has {len(parts)} parts; at most {MAX_PARTS}")
    for part in parts:
        _check(part, text)
    called = {id(part.func) for part in parts if isinstance(part, ast.Call)}
    used = {part.id for part in parts if isinstance(part, ast.Name) and id(part) not in called}
    for name in sorted(used):
        if len(words.get(name, ())) != 1:
            wrong = "is the name of several parameters" if name in words else "is not a parameter"
            raise InvalidSpec(f"constraints: {text!r}: {name} {wrong}; there are {_listed(words)}")
    if not used or not _is_truth(tree):
        raise InvalidSpec(
            f"constraints: {text!r} is neither true nor false by a parameter: compare something, "
            "as in batch * lr <= 0.1"
        )
    return Constraint(text, tree, {name: words[name][0] for name in used})


def _check(part: ast.AST, text: str) -> None:
    """Whether a part is one of those that there are."""
    match part:
        case ast.Constant(value=value):
            fits = value is None or isinstance(value, bool | int | float | str)
            fits = fits and not (isinstance(value, int) and abs(value) > 1 << 1000)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            fits = name in _FUNCTIONS and not any(isinstance(a, ast.Starred) for a in arguments)
        case ast.BinOp(op=op):
            fits = type(op) in _ARITHMETIC or isinstance(op, ast.Pow)
        case ast.UnaryOp(op=op):
            fits = isinstance(op, ast.Not | ast.USub | ast.UAdd)
        case ast.Compare(ops=ops):
            fits = all(type(op) in _COMPARISONS for op in ops)
        case ast.BoolOp() | ast.Name() | ast.Tuple() | ast.List() | ast.Load():
            fits = True
        case _:
            fits = isinstance(part, ast.operator | ast.unaryop | ast.cmpop | ast.boolop)
    if not fits:
        shown = ast.unparse(part) if isinstance(part, ast.expr) else type(part).__name__
        raise InvalidSpec(f"constraints: {text!r}: {shown!r:.60} has no place in one; {_WORDS} do")


def _is_truth(tree: ast.expr) -> bool:
    """Whether it may be true or false: a parameter by itself may, as its options may be."""
    match tree:
        case ast.BoolOp(values=values):
            return all(_is_truth(each) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_truth(operand)
        case ast.Constant(value=value):
            return isinstance(value, bool)
    return isinstance(tree, ast.Compare | ast.Name)


def _value(tree: ast.expr, known: Mapping[str, Any]) -> Any:
    match tree:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return known[name]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [_value(part, known) for part in parts]
        case ast.BoolOp(op=op, values=parts):
            truths = (_truth(_value(part, known)) for part in parts)
            return all(truths) if isinstance(op, ast.And) else any(truths)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _truth(_value(operand, known))
        case ast.UnaryOp(op=op, operand=operand):
            number = _number(_value(operand, known))
            return -number if isinstance(op, ast.USub) else number
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(op, _number(_value(left, known)), _number(_value(right, known)))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_number(_value(each, known)) for each in arguments))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compared(_value(left, known), ops, [_value(each, known) for each in others])
    raise TypeError(f"{ast.unparse(tree)!r} has no value")


def _computed(op: ast.operator, left: float, right: float) -> float:
    if isinstance(op, ast.Pow):
        if abs(right) > MAX_EXPONENT:
            raise OverflowError(f"an exponent of {right}")
        found = float(left) ** right
    else:
        found = _ARITHMETIC[type(op)](left, right)
    if isinstance(found, complex) or not math.isfinite(found):
        raise ValueError("no number")
    return float(found) if isinstance(found, float) else int(found)


def _compared(left: Any, ops: Sequence[ast.cmpop], others: Sequence[Any]) -> bool:
    for op, right in zip(ops, others, strict=True):
        if not _COMPARISONS[type(op)](left, right):
            return False
        left = right
    return True


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.50} is not a number")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.50} is neither true nor false")
    return value


def _listed(words: Mapping[str, Any]) -> str:
    return ", ".join(words)[:200]
