"""Constraints mean what they say, reach nothing, and take no time; what is none is refused."""

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.sweeps.constraints import MAX_LENGTH, Constraint, bound

NAMES = ("batch", "lr", "--depth", "drop-out", "kind")
CELL = {"batch": 64, "lr": 0.01, "--depth": 3, "drop-out": 0.5, "kind": "a"}


def one(text: Any) -> Constraint:
    return bound([text], NAMES)[0]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("batch * lr <= 0.64", True),
        ("batch * lr < 0.64", False),
        ("0 < lr < 0.1 < drop_out", True),
        ("depth ** 2 == 9 and batch % 2 == 0", True),
        ("not (depth > 3 or batch // 10 != 6)", True),
        ("kind in ('a', 'b')", True),
        ("kind not in ['a']", False),
        ("max(depth, batch, 100) == 100", True),
        ("abs(-depth) == 3 and log2(batch) == 6 and sqrt(batch) == 8", True),
        ("kind != 'a' or lr > 0.001", True),
        ("1 / (depth - 3) > 0", False),  # it has no value: rejected
        ("log(lr - 1) < 0", False),
        ("(0 - depth) ** 0.5 < 1", False),
        ("1e300 * 1e300 * batch > 1", False),
        ("batch ** 1000 > 1", False),
        ("10 ** 64 ** 64 > batch", False),
    ],
)
def test_a_constraint_holds_or_not(text: str, holds: bool) -> None:
    assert one(text).holds(CELL) is holds


def test_a_constraint_says_nothing_of_a_cell_without_its_parameter() -> None:
    assert one("lr < 0").holds({"batch": 1})
    assert not one("lr < 0").holds(CELL)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a text is needed"),
        (3, "a text is needed"),
        ("batch <", "is not an expression"),
        ("batch = 3", "is not an expression"),
        ("batch * lr", "neither true nor false"),
        ("3 < 4", "neither true nor false by a parameter"),
        ("momentum < 1", "momentum is not a parameter; there are batch, lr, depth"),
        ("batch.real < 1", "'batch.real' has no place"),
        ("__import__('os').system('true') == 0 or batch > 1", "has no place"),
        ("open('/etc/passwd') in batch", "has no place"),
        ("[x for x in (1,)] == batch", "has no place"),
        ("(lambda: 1)() < batch", "has no place"),
        ("batch if lr else 1", "has no place"),
        ("f'{batch}' == '1'", "has no place"),
        ("batch < 1 < 2 ** (yield)", "has no place"),
        ("batch[0] < 1", "has no place"),
        ("min(*batch) < 1", "has no place"),
        ("batch < " + "9" * 400, "has no place"),
        ("batch < " + "1 + " * 300 + "1", "at most 1000"),
        ("batch < " + "1+" * 150 + "1", "parts; at most 200"),
        ("(" * 400 + "batch" + ")" * 400 + " < 1", "is not an expression"),
        ("batch < 1" + " " * MAX_LENGTH, "characters; at most 1000"),
    ],
)
def test_what_is_no_constraint_is_refused_by_its_text(text: Any, reason: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        one(text)
    assert reason in str(refused.value)
    assert "constraints: " in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind < 3", "not supported"),
        ("kind * 9 == 'aaaaaaaaa'", "'a' is not a number"),
        ("not lr", "neither true nor false"),
        ("lr and batch > 1", "neither true nor false"),
        ("kind", "neither true nor false"),
        ("batch in lr", "not iterable"),
    ],
)
def test_what_makes_no_sense_of_a_cell_is_no_rejection_but_a_mistake(
    text: str, reason: str
) -> None:
    with pytest.raises(InvalidSpec, match="constraints: ") as refused:
        one(text).holds(CELL)
    assert reason in str(refused.value)


def test_a_list_of_texts_is_needed_and_a_hundred_at_most() -> None:
    for told in ("batch < 1", {"batch": 1}, None, ["batch < 1"] * 101):
        with pytest.raises(InvalidSpec, match="constraints: "):
            bound(told, NAMES)
    with pytest.raises(InvalidSpec, match="a_b is the name of several parameters"):
        bound(["a_b < 1"], ("a-b", "a_b"))


parts = st.sampled_from(
    ["batch", "lr", "depth", "1", "0", "'a'", "kind", "True", "9" * 300, "(1, 2)", "(", ")"]
)
signs = st.sampled_from(["+", "-", "*", "/", "**", "%", "//", "<", "==", "in", "and", "not", ","])


@given(st.lists(st.one_of(parts, signs), max_size=60), st.sampled_from([CELL, {"lr": 1}]))
def test_whatever_is_written_is_true_false_or_refused_at_once(
    words: list[str], cell: dict[str, Any]
) -> None:
    began = time.process_time()
    with contextlib.suppress(InvalidSpec):
        assert one(" ".join(words)).holds(cell) in (True, False)
    assert time.process_time() - began < 5
