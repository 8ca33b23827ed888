"""A JMESPath query that is given as arguments, without `--query`.

Azure's documentation shows `az ml run list -e exp [?properties.author=='me']`. A shell changes such
an argument: it removes the quotes, may expand `[…]` to file names, and ends the command at `&&`.
This module restores the quotes where that is unambiguous and refuses other queries, because an
incomplete query would select the wrong runs. It never changes the value of `--query`.
"""

import re
from collections.abc import Sequence

from dispatcher.client.errors import UserErrorException

_QUOTES = re.compile(r"['\"`]")
_FIELD = re.compile(r"[\w.\-]+")
_COMPARED = re.compile(
    r"(?P<before>[=!]=)\s*(?P<operand>[^\s'\"`\[\](){}&|,@?<>=!][^\[\](){}&|,]*?)\s*"
    r"(?=&&|\|\||[\])},|]|$)"
)
_SEARCHED = re.compile(
    r"(?P<call>\b(?:starts_with|ends_with|contains)\(\s*[^,()]+,\s*)"
    r"(?P<operand>[^\s'\"`@&()][^()]*?)\s*\)"
)
_CLOSING = {"]": "[", ")": "(", "}": "{"}
_ADVICE = "Put the whole query into double quotes: --query \"[?properties.author=='me']\""


def join_query(arguments: Sequence[str], query: str | None) -> str | None:
    """The query of a command.

    Args:
        arguments: The arguments that are no other parameters of the command.
        query: The value of `--query`.

    Raises:
        UserErrorException: Both are given, or the arguments are not a complete query.
    """
    if not arguments:
        return query
    if query:
        raise UserErrorException(f"There are two queries, {query!r} and {' '.join(arguments)!r}.")
    text = " ".join(arguments)
    if not _is_balanced(text):
        raise UserErrorException(
            f"The query {text!r} is not complete: the shell cuts it at && and at |. " + _ADVICE
        )
    if all(_FIELD.fullmatch(argument) for argument in arguments):
        raise UserErrorException(
            f"{text!r} is not a query for a list. If you wrote [?…], the shell has replaced it by "
            f"file names of this folder. {_ADVICE}"
        )
    return text if _QUOTES.search(text) else _with_quotes(text)


def _with_quotes(text: str) -> str:
    """The query with the quotes that the shell removed, around operands and search texts."""
    text = _SEARCHED.sub(lambda m: f"{m['call']}'{m['operand']}')", text)
    return _COMPARED.sub(lambda m: f"{m['before']}'{m['operand']}'", text)


def _is_balanced(text: str) -> bool:
    opened: list[str] = []
    quote = ""
    for char in re.sub(r"\\.", "", text):  # escaped characters are text
        if quote:
            quote = "" if char == quote else quote
        elif _QUOTES.match(char):
            quote = char
        elif char in _CLOSING.values():
            opened.append(char)
        elif char in _CLOSING and (not opened or opened.pop() != _CLOSING[char]):
            return False
    return not opened and not quote
