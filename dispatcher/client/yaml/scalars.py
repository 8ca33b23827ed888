"""YAML's scalars: which text is which value, and how texts are quoted."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)")
_ESCAPES = dict(
    zip('0abt\tnvfre "/\\N_LP', '\0\a\b\t\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029')  # noqa: B905
)
_WIDTH = {"x": 2, "u": 4, "U": 8}
_MOST_DIGITS = 4000  # Python refuses to read more


class YamlError(ValueError):
    """A text is no YAML, or has what is not read here."""


class Unfinished(YamlError):
    """What has begun has no end in the text so far."""


def resolved(text: str) -> Any:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < _MOST_DIGITS:
        return int(text)
    if text[:2] in ("0x", "0o") and re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+", text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and len(text) < _MOST_DIGITS:
        return float(text)
    odd = _ODD.fullmatch(text)
    if odd is not None:
        return float(odd[1] + odd[2])
    return text


def quoted(text: str, at: int) -> Tuple[str, int]:
    """Read a quoted text from its first quote on; the text and where it ends.

    Raises:
        Unfinished: It has no end.
        YamlError: An escape is none.
    """
    mark, made, k = text[at], [], at + 1
    while k < len(text):
        char = text[k]
        if char == mark:
            if mark == "'" and text[k + 1 : k + 2] == "'":
                made.append("'")
                k += 2
                continue
            return "".join(made), k + 1
        if char == "\n":
            k = _line_end(text, k, made)
        elif char == "\\" and mark == '"':
            k = _escaped(text, k + 1, made)
        else:
            made.append(char)
            k += 1
    raise Unfinished("a quoted text has no end")


def _line_end(text: str, k: int, made: list[str]) -> int:
    """The end of a line within quotes is a blank; each empty line after it is a break."""
    while made and made[-1] in " \t":
        made.pop()
    breaks = 0
    while k < len(text) and text[k] in "\n \t":
        breaks += text[k] == "\n"
        k += 1
    made.append("\n" * (breaks - 1) or " ")
    return k


def _escaped(text: str, k: int, made: list[str]) -> int:
    char = text[k : k + 1]
    if char == "":
        raise Unfinished("a quoted text has no end")
    if char == "\n":
        while k < len(text) and text[k] in "\n \t":
            k += 1
        return k
    if char in _ESCAPES:
        made.append(_ESCAPES[char])
        return k + 1
    width = _WIDTH.get(char, 0)
    digits = text[k + 1 : k + 1 + width]
    if not width or re.fullmatch(r"[0-9a-fA-F]+", digits) is None or len(digits) < width:
        raise YamlError(f"\\{char} is no escape")
    number = int(digits, 16)
    if number > 0x10FFFF:
        raise YamlError(f"\\{char}{digits} is no character")
    made.append(chr(number))
    return k + 1 + width
