"""YAML read and written: the values of YAML 1.2, against PyYAML's, and what can do harm."""

import time
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.client.v1.configs.yaml_text import MOST_CHARACTERS, parse, written

# PyYAML reads YAML 1.1, where two more signs end a line; texts of both are compared without them.
texts = st.text(st.characters(exclude_characters="\x85\u2028\u2029", exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
# 1.2 takes `0E0` for a number and 1.1 does not; PyYAML writes it bare.
words = st.text(
    st.characters(exclude_characters="\x85\u2028\u2029", exclude_categories=["Cs", "Nd"])
)
structures = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)
SOME = [
    "a: 1\nb:\n- x\n- y: 2\n  z: 3\n-\n  - q\n  - - r\n    - s\n",
    "c: {a: [1, 2, {b: c}], d: 'x: y'}\n# c\nd: |\n  line\n    more\n\n  end\n",
    'e: >-\n  fold me\n  now\n\n  next\n\n    kept\n  end\nf: "a\\tb\\u00e9"\n',
    "g: a plain # comment\nh:\n# at the margin\n  i: ''\n  j: it''s\n",
    "---\nname: env\ndependencies:\n  - python=3.8\n  - pip:\n    - numpy~=1.2\n...\n",
    "[1, 2.5, true, null, -3, .inf]",
    '{"a": {"b": [1, "x", null]},\n "c": "d\\n"}',
    "",
    "# nothing\n",
    "just text",
    "- a\n-   b: 1\n    c: 2\n- [x,\n   y]\n",
    "a: on\n  two lines\nb: 2\n",
    "a: http://x.y:80/z#f\nb: -x\nc: 'a\n  b'\n",
    "k: [a:b, 'c', d e]",
    "a: |+\n  x\n\n\nb: |2\n    y\nc: >+\n  z\n\n",
]


@pytest.mark.parametrize("text", SOME)
def test_a_text_is_read_as_pyyaml_reads_it(text: str) -> None:
    assert parse(text) == yaml.safe_load(text)


@given(values)
@settings(max_examples=400, deadline=None)
def test_what_is_written_reads_back_here_and_by_pyyaml(value: Any) -> None:
    text = written(value)

    assert parse(text) == value
    assert yaml.safe_load(text) == value


@given(structures, st.sampled_from([True, False, None]), st.sampled_from([20, 80, 1000]))
@settings(max_examples=400, deadline=None)
def test_what_pyyaml_writes_is_read(value: Any, flow: bool | None, width: int) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, width=width, allow_unicode=True)
    if "? " in text:  # a key of several lines
        return

    assert parse(text) == yaml.safe_load(text)


@given(st.text(st.sampled_from("ab:-?#'\"[]{}|>!&*,%@ \n\t\\0.1~"), max_size=60))
@settings(max_examples=1500, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !!python/object:os.system x", "line 1: '!!python/object:os.system' is a tag"),
        ("a: &x [1]\nb: [*x, *x]", "line 1: '&x' is an anchor"),
        ("a: 1\nb: *x", "line 2: '*x' is an alias"),
        ("a: [*x]", "tags, anchors and aliases"),
        ("%YAML 1.1\n---\na: 1", "line 1: it has a directive"),
        ("a: 1\na: 2", "line 2: the key 'a' is there a second time"),
        ("{a: 1, a: 2}", "the key 'a' is there a second time"),
        ("[" * 5000, "line 1: it is nested more than 60 deep"),
        ("".join(" " * k + "a:\n" for k in range(200)), "nested more than 60 deep"),
        ("- " * 5000 + "x", "nested more than 60 deep"),
        ("a: 'x\n" * 3, "line 2: expected <block end>"),
        (
            "a: 'x",
            "(while scanning a quoted scalar); a quoted text has no end",
        ),
        ("a: [1,\n2", "a collection in [ ] or { } has no end"),
        ("a: \0", "control character"),
        ("a:\n\tb: 1", "line 2: found character '\\t' that cannot start any token"),
        ("a: 1\n  b: 2", "line 2: mapping values are not allowed here; quote"),
        ("a: x: y", "line 1: mapping values are not allowed here; quote a text that has ': '"),
        ("? [a]\n: b", "line 1: a key is a text or a number"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins"),
        ('a: "\\q"', "line 1: found unknown escape character 'q'"),
        ('a: "\\UFFFFFFFF"', "is not a character"),
        ("x" * (MOST_CHARACTERS + 1), "are read at most"),
    ],
)
def test_what_can_do_harm_is_refused_by_name_and_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"k{k}: [1]" for k in range(30_000)),
        "\n".join(f"k{k}: 'a\n  b'" for k in range(20_000)),
        "a: '" + "x\n" * 200_000,
        "a: [" + "x,\n" * 100_000,
        "a" + " " * 1_000_000 + "b",
        "a: " + "'" * 1_000_001,
        "a" + ":" * 1_000_000,
        '"' + '\\"' * 500_000,
    ],
    ids=[
        "many flows",
        "many quotes",
        "open quote",
        "open list",
        "blanks",
        "quotes",
        "colons",
        "esc",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    with suppress(ValueError):
        parse(text[:MOST_CHARACTERS])
    assert time.process_time() - started < 5


def test_what_yaml_has_not_is_not_written() -> None:
    with pytest.raises(ValueError, match="a object cannot be written"):
        written({"a": object()})
