"""A JMESPath query that stands after the command without `--query`, as the shell hands it over.

`az ml run list -e exp [?properties.author=='me']` is how Azure's documentation printed it. A shell
takes such a word apart before any program sees it: the quotes are gone, `[…]` may have become file
names, and `&&` ends the command. What can be told is mended; the rest is refused with the reason,
because a query that is half there would find the wrong runs. `--query` is never changed.
"""

import re
from collections.abc import Sequence

from dispatcher.client.errors import UserErrorException

_QUOTES = re.compile(r"['\"`]")
_FIELD = re.compile(r"[\w.\-]+")
_COMPARED = re.compile(
    r"(?P<before>[=!]=)\s*(?P<word>[^\s'\"`\[\](){}&|,@?<>=!][^\[\](){}&|,]*?)\s*"
    r"(?=&&|\|\||[\])},|]|$)"
)
_SEARCHED = re.compile(
    r"(?P<call>\b(?:starts_with|ends_with|contains)\(\s*[^,()]+,\s*)"
    r"(?P<word>[^\s'\"`@&()][^()]*?)\s*\)"
)
_CLOSING = {"]": "[", ")": "(", "}": "{"}
_WAY_OUT = "Put the whole query into double quotes: --query \"[?properties.author=='me']\""


def joined(words: Sequence[str], query: str | None) -> str | None:
    """The query that is meant by `--query` and by the words after the command.

    Args:
        words: The arguments that were left over.
        query: What `--query` says.

    Raises:
        UserErrorException: Both are given, or the words are no whole query.
    """
    if not words:
        return query
    if query:
        raise UserErrorException(f"There are two queries, {query!r} and {' '.join(words)!r}.")
    text = " ".join(words)
    if not _is_balanced(text):
        raise UserErrorException(
            f"The query {text!r} is not whole: the shell cut it, as it does at && and at |. "
            + _WAY_OUT
        )
    if all(_FIELD.fullmatch(word) for word in words):
        raise UserErrorException(
            f"{text!r} is no query for a list. If you wrote [?…], the shell has put file names of "
            f"this folder in its place. {_WAY_OUT}"
        )
    return text if _QUOTES.search(text) else _with_quotes(text)


def _with_quotes(text: str) -> str:
    """Give back the quotes that the shell took: around what is compared or searched for."""
    text = _SEARCHED.sub(lambda m: f"{m['call']}'{m['word']}')", text)
    return _COMPARED.sub(lambda m: f"{m['before']}'{m['word']}'", text)


def _is_balanced(text: str) -> bool:
    opened: list[str] = []
    quote = ""
    for char in re.sub(r"\\.", "", text):  # what is escaped closes nothing
        if quote:
            quote = "" if char == quote else quote
        elif _QUOTES.match(char):
            quote = char
        elif char in _CLOSING.values():
            opened.append(char)
        elif char in _CLOSING and (not opened or opened.pop() != _CLOSING[char]):
            return False
    return not opened and not quote
