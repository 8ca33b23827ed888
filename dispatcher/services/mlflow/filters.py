"""MLflow's search language: `metrics.loss < 0.5 AND tags."my tag" LIKE 'a%'`, and its ORDER BY.

A clause is `entity.key comparator value`; the entity `attribute` is optional. Backticks or double
quotes enclose keys that are no plain names; single or double quotes enclose texts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.search import Clause, Kind, Order, Value

MAX_FILTER = 20_000
_ENTITIES: Mapping[str, Kind] = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_TEXT_OPS = ("=", "!=", "LIKE", "ILIKE")
_NUMBER_OPS = ("=", "!=", ">", ">=", "<", "<=")
_NULL_OPS = ("IS NULL", "IS NOT NULL")
_LIST_OPS = ("IN", "NOT IN")
_PART = r"""`[^`]*`|"[^"]*"|[\w/:\-]+"""
_NAME = re.compile(rf"\s*((?:{_PART})(?:\.(?:{_PART}))*)")
_OP = re.compile(
    r"\s*(>=|<=|!=|=|<|>|(?:IS\s+NOT\s+NULL|IS\s+NULL|NOT\s+IN|ILIKE|LIKE|IN)(?![\w]))", re.I
)
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])")
_STRING = re.compile(r"""\s*('(?:''|[^'])*'|"[^"]*")""")
_LIST = re.compile(r"""\s*\(\s*((?:'(?:''|[^'])*'|"[^"]*"|[^()'"])*)\)""")
_AND = re.compile(r"\s+AND(?=\s)", re.I)
_DIRECTION = re.compile(r"\s+(ASC|DESC)\s*$", re.I)


@dataclass(frozen=True)
class SearchFields:
    """The fields that a search may use.

    Attributes:
        kinds: The entities.
        texts: The attributes with text values.
        numbers: The attributes with numeric values.
        aliases: Other names of attributes.
        lists: The attributes that IN and NOT IN apply to.
    """

    kinds: tuple[Kind, ...]
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    aliases: Mapping[str, str]
    lists: tuple[str, ...]


RUNS = SearchFields(
    ("attribute", "metric", "param", "tag", "dataset"),
    ("run_id", "run_name", "status", "user_id"),
    ("start_time", "end_time"),
    {
        **dict.fromkeys(("created", "Created"), "start_time"),
        **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
    },
    ("run_id",),
)
EXPERIMENTS = SearchFields(
    ("attribute", "tag"),
    ("name", "experiment_id"),
    ("creation_time", "last_update_time"),
    {},
    ("experiment_id",),
)
MODELS = SearchFields(
    ("attribute", "param", "tag"),
    ("name", "model_id", "model_type", "status", "source_run_id"),
    ("creation_timestamp", "last_updated_timestamp"),
    {"creation_time": "creation_timestamp", "last_updated_time": "last_updated_timestamp"},
    ("name", "model_id", "source_run_id", "status"),
)


def parse_filter(text: str, fields: SearchFields = RUNS) -> tuple[Clause, ...]:
    """The clauses of a filter. Raises InvalidSpec, with the expected text and its position."""
    if len(text) > MAX_FILTER:
        raise InvalidSpec(f"filter: {len(text)} characters; at most {MAX_FILTER}")
    text = text.strip()
    clauses: list[Clause] = []
    at = 0
    while at < len(text):
        if clauses:
            at = _take(_AND, text, at, "AND").end()
        clause, at = _clause(text, at, fields)
        clauses.append(clause)
    return tuple(clauses)


def parse_order(texts: Sequence[str], fields: SearchFields = RUNS) -> tuple[Order, ...]:
    """The sort keys, most significant first. Raises InvalidSpec."""
    orders = []
    for text in texts:
        direction = _DIRECTION.search(text)
        name = text[: direction.start()] if direction else text
        match = _NAME.fullmatch(name.strip())
        if not match or len(text) > MAX_FILTER:
            raise InvalidSpec(f"order_by: {text[:200]!r} is not `entity.key [ASC|DESC]`")
        kind, key = _identifier(match[1], fields)
        descending = bool(direction and direction[1].upper() == "DESC")
        orders.append(Order(kind, key, descending))
    return tuple(orders)


def _clause(text: str, at: int, fields: SearchFields) -> tuple[Clause, int]:
    name = _take(_NAME, text, at, "a name such as metrics.loss")
    kind, key = _identifier(name[1], fields)
    op = _take(_OP, text, name.end(), "a comparator")
    comparator = " ".join(op[1].upper().split())
    allowed = _allowed(kind, key, fields)
    if comparator not in allowed:
        raise InvalidSpec(f"filter: {name[1]} {comparator}: {kind}s take {', '.join(allowed)}")
    value, end = _value(text, op.end(), comparator, numeric=allowed[: len(_NUMBER_OPS)])
    return Clause(kind, key, comparator, value), end


def _allowed(kind: Kind, key: str, fields: SearchFields) -> tuple[str, ...]:
    if kind == "metric" or (kind == "attribute" and key in fields.numbers):
        return _NUMBER_OPS
    if kind in ("tag", "param"):
        return (*_TEXT_OPS, *_NULL_OPS)
    return (*_TEXT_OPS, *_LIST_OPS) if kind == "dataset" or key in fields.lists else _TEXT_OPS


def _value(text: str, at: int, op: str, *, numeric: tuple[str, ...]) -> tuple[Value, int]:
    if op in _NULL_OPS:
        return None, at
    if op in _LIST_OPS:
        match = _take(_LIST, text, at, "a list such as ('a', 'b')")
        items = _STRING.findall(match[1])
        rest = _STRING.sub("", match[1]).replace(" ", "")
        if not items or rest != "," * (len(items) - 1):
            raise InvalidSpec(f"filter: {match[0].strip()!r} is not a list of quoted texts")
        return tuple(_unquoted(item) for item in items), match.end()
    if numeric == _NUMBER_OPS:
        number = _take(_NUMBER, text, at, "a number")
        return _number(number[1]), number.end()
    string = _take(_STRING, text, at, "a quoted text")
    return _unquoted(string[1]), string.end()


def _identifier(name: str, fields: SearchFields) -> tuple[Kind, str]:
    parts = re.findall(_PART, name)
    entity = _unquoted(parts[0])
    if len(parts) == 1:
        kind: Kind = "attribute"
        key = entity
    elif entity in _ENTITIES and _ENTITIES[entity] in fields.kinds:
        kind = _ENTITIES[entity]
        key = ".".join(_unquoted(part) for part in parts[1:])
    else:
        raise InvalidSpec(f"filter: {entity!r} in {name!r} is not one of {', '.join(fields.kinds)}")
    if kind == "attribute":
        key = fields.aliases.get(key, key)
        if key not in (*fields.texts, *fields.numbers):
            known = ", ".join((*fields.texts, *fields.numbers))
            raise InvalidSpec(f"filter: no attribute {key!r}; there are {known}")
    if kind == "dataset" and key not in ("name", "digest", "context"):
        raise InvalidSpec(f"filter: no dataset.{key}; there are name, digest, context")
    return kind, key


def _take(pattern: "re.Pattern[str]", text: str, at: int, expected: str) -> "re.Match[str]":
    match = pattern.match(text, at)
    if match is None:
        raise InvalidSpec(f"filter: expected {expected} at character {at}: {text[at : at + 80]!r}")
    return match


def _unquoted(text: str) -> str:
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    return text[1:-1] if text[:1] in ("`", '"') else text


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() and len(text) < 19 else float(text)
