"""MLflow's search language: what MLflow's own parser reads, ours reads alike."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.search import Clause, Order, like
from dispatcher.services.mlflow.filters import EXPERIMENTS, MODELS, RUNS, parse_filter, parse_order

_BARE = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda text: text.upper() not in {"AND", "IN", "IS", "NOT", "LIKE", "ILIKE", "NULL"}
)
_ANY = st.text(st.characters(codec="utf-8", exclude_characters="`'\"\\;\r\n"), max_size=12)
_QUOTED_KEY = st.builds(
    lambda text, mark: f"{mark}{text}{mark}", _ANY.map(lambda t: f"k{t}"), st.sampled_from('`"')
)
_TEXT = st.builds(lambda text, mark: f"{mark}{text}{mark}", _ANY, st.sampled_from("'\""))
_NUMBER = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@st.composite
def _clauses(draw: st.DrawFn) -> str:
    entity = draw(st.sampled_from(["metrics", "metric", "params", "parameter", "tags", "tag"]))
    key = draw(st.one_of(_BARE, _QUOTED_KEY))
    if entity.startswith("metric"):
        op, value = draw(st.sampled_from([">", ">=", "=", "!=", "<", "<="])), draw(_NUMBER)
    else:
        op, value = draw(st.sampled_from(["=", "!=", "LIKE", "ILIKE"])), draw(_TEXT)
    space = draw(st.sampled_from([" ", "  "]))
    return f"{entity}.{key}{space}{op}{space}{value}"


@given(st.lists(_clauses(), min_size=1, max_size=4))
def test_a_filter_means_what_it_means_to_mlflow(clauses: list[str]) -> None:
    text = " AND ".join(clauses)
    mine = parse_filter(text)
    try:
        theirs = SearchUtils.parse_search_filter(text)
    except MlflowException:  # it trips over some names and numbers, such as 1e+16; ours does not
        return
    assert [(c.kind, c.key, c.op) for c in mine] == [
        (t["type"].replace("parameter", "param"), t["key"], t["comparator"]) for t in theirs
    ]
    for found, told in zip(mine, theirs, strict=True):
        expected = float(told["value"]) if found.kind == "metric" else told["value"]
        assert found.value == expected


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for words in (RUNS, EXPERIMENTS, MODELS):
        for parse in (parse_filter, lambda given, words: parse_order([given], words)):
            with contextlib.suppress(InvalidSpec):
                parse(text, words)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("status = 'FINISHED'", Clause("attribute", "status", "=", "FINISHED")),
        ("attribute.status='FINISHED'", Clause("attribute", "status", "=", "FINISHED")),
        ("run.start_time > 12", Clause("attribute", "start_time", ">", 12)),
        ("Created > 12", Clause("attribute", "start_time", ">", 12)),
        ('attributes.`Run name` like "a%"', Clause("attribute", "run_name", "LIKE", "a%")),
        ("run_id IN ('a', \"b\")", Clause("attribute", "run_id", "IN", ("a", "b"))),
        ("run_id not in ('a')", Clause("attribute", "run_id", "NOT IN", ("a",))),
        ("metrics.a.b/c-d >= -1.5e-3", Clause("metric", "a.b/c-d", ">=", -0.0015)),
        ("metrics.`a b`<1", Clause("metric", "a b", "<", 1)),
        ("tags.mlflow.source.name = 'x'", Clause("tag", "mlflow.source.name", "=", "x")),
        ("tags.a IS NULL", Clause("tag", "a", "IS NULL")),
        ("params.a is not null", Clause("param", "a", "IS NOT NULL")),
        ("dataset.name ILIKE '%x%'", Clause("dataset", "name", "ILIKE", "%x%")),
        ("datasets.digest IN ('d')", Clause("dataset", "digest", "IN", ("d",))),
        ("params.a = 'it''s AND'", Clause("param", "a", "=", "it's AND")),
        ('params.a = "it\'s"', Clause("param", "a", "=", "it's")),
    ],
)
def test_a_clause_is_read(text: str, clause: Clause) -> None:
    assert parse_filter(text) == (clause,)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("metrics.a", "comparator at character 9"),
        ("metrics.a > 'x'", "a number"),
        ("params.a = 3", "a quoted text"),
        ("metrics.a > 1 OR metrics.b > 2", "expected AND"),
        ("metrics.a > 1 AND", "expected"),
        ("metrics.a LIKE 'x'", "metrics take ="),
        ("nothing.a = 'x'", "'nothing'"),
        ("attribute.colour = 'x'", "no attribute 'colour'"),
        ("status IN ('a')", "attributes take"),
        ("run_id IN ('a' 'b')", "not a list"),
        ("run_id IN ()", "not a list"),
        ("dataset.colour = 'x'", "no dataset.colour"),
        ("metrics.a > 1" + " " * 30_000, "at most 20000"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_was_expected_and_where(
    text: str, what: str
) -> None:
    with pytest.raises(InvalidSpec, match=what):
        parse_filter(text)


def test_an_order_is_read() -> None:
    texts = ["metrics.`a b` DESC", "start_time", "tags.x asc", 'params."y z" desc']
    assert parse_order(texts) == (
        Order("metric", "a b", True),
        Order("attribute", "start_time"),
        Order("tag", "x"),
        Order("param", "y z", True),
    )
    with pytest.raises(InvalidSpec, match="order_by"):
        parse_order(["metrics.a, metrics.b"])


def test_other_vocabularies_have_their_own_words() -> None:
    assert parse_filter("name = 'x'", EXPERIMENTS)[0].key == "name"
    assert parse_filter("model_id IN ('x')", MODELS)[0].op == "IN"
    with pytest.raises(InvalidSpec, match="'metrics'"):
        parse_filter("metrics.a > 1", EXPERIMENTS)


@given(st.text("ab%_", max_size=8), st.text("aAb", max_size=8))
def test_like_is_what_sql_says(pattern: str, text: str) -> None:
    def slow(p: str, t: str) -> bool:
        if not p:
            return not t
        if p[0] == "%":
            return slow(p[1:], t) or (bool(t) and slow(p, t[1:]))
        return bool(t) and p[0] in ("_", t[0]) and slow(p[1:], t[1:])

    assert like(text, pattern, fold=False) == slow(pattern, text)
    assert like(text, pattern, fold=True) == slow(pattern, text.lower())
