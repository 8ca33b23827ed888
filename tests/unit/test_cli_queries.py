"""A query that stands after the command: what is mended, what is refused, what stays."""

from contextlib import suppress

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.cli.queries import join_query
from dispatcher.client.errors import UserErrorException


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["[?a.b==c-d]"], "[?a.b=='c-d']"),
        (["[?a==b", "c]"], "[?a=='b c']"),
        (["[?a==b", "&&", "c!=d", "e].id"], "[?a=='b'&& c!='d e'].id"),
        (["[?a==b||c==d]"], "[?a=='b'||c=='d']"),
        (["[?k(@)[?starts_with(@,", "x y)]]"], "[?k(@)[?starts_with(@, 'x y')]]"),
        (["[?contains(name, x)] | [0]"], "[?contains(name, 'x')] | [0]"),
        (["length([?s==Failed])"], "length([?s=='Failed'])"),
        (["[?a==0.1]"], "[?a=='0.1']"),
        (["[?a=='b']"], "[?a=='b']"),
        (["[?a==b && c=='d']"], "[?a==b && c=='d']"),
        (["[?a==@.b]"], "[?a==@.b]"),
        (["[].{id: run_id}"], "[].{id: run_id}"),
        (["[0]"], "[0]"),
        (["[?a=='it\\'s ]']"], "[?a=='it\\'s ]']"),
    ],
)
def test_the_quotes_that_the_shell_took_are_given_back(words: list[str], meant: str) -> None:
    assert join_query(words, None) == meant


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["[?a==b"], "not complete"),
        (["a]"], "not complete"),
        (["[?a=='b]"], "not complete"),
        (["(]"], "not complete"),
        (["a"], "file names"),
        (["a", "r", "train.py"], "file names"),
    ],
)
def test_what_is_no_whole_query_is_refused_with_the_way_out(words: list[str], reason: str) -> None:
    with pytest.raises(UserErrorException, match=reason) as refused:
        join_query(words, None)
    assert "--query" in refused.value.message


def test_a_query_behind_its_option_is_never_changed() -> None:
    assert join_query([], "[?a==b") == "[?a==b"
    assert join_query([], None) is None
    with pytest.raises(UserErrorException, match="two queries"):
        join_query(["[0]"], "[1]")


TEXTS = (
    st.text(
        st.characters(codec="ascii", categories=("L", "N", "Zs"), include_characters="-_.:/"),
        min_size=1,
    )
    .map(str.strip)
    .filter(bool)
)


@given(TEXTS)
def test_any_text_that_is_compared_with_is_found_again(text: str) -> None:
    words = f"[?name=={text}]".split(" ")
    query = join_query(words, None)
    assert query is not None
    assert jmespath.search(query, [{"name": text}, {"name": f"not {text}"}]) == [{"name": text}]


@given(st.lists(st.text(), max_size=5))
def test_whatever_is_typed_it_is_a_query_or_refused(words: list[str]) -> None:
    with suppress(UserErrorException):
        join_query(words, None)
