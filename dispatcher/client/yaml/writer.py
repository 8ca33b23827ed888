"""Writes YAML in block style, in a way that every reader of YAML takes for the same values."""

from __future__ import annotations

import re

from dispatcher.client.yaml.scalars import YamlError, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

_PLAIN = re.compile(r"[A-Za-z_/][\w./@+ =<>~()-]*", re.ASCII)
# YAML 1.1 takes these for bools; a reader of it may come along.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_BARE = re.compile(
    r"[\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def written(value: Any) -> str:
    """A text that reads back as the value.

    Raises:
        YamlError: A part of it is nothing that YAML has.
    """
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{scalar(key)}:", item, indent, is_key=True)
    elif isinstance(value, (list, tuple)) and value:
        for item in value:
            yield from _entry(f"{indent}-", item, indent, is_key=False)
    else:
        yield indent + scalar(value)


def _entry(head: str, item: Any, indent: str, *, is_key: bool) -> Iterator[str]:
    if isinstance(item, (dict, list, tuple)) and item:
        is_list = not isinstance(item, dict)
        inner = indent if is_key and is_list else f"{indent}  "
        lines = list(_lines(item, inner))
        if is_key:
            yield head
            yield from lines
        else:
            yield f"{head} {lines[0].lstrip(' ')}"
            yield from lines[1:]
    elif isinstance(item, str) and _is_block(item):
        yield f"{head} |" + ("" if item.endswith("\n") else "-")
        for line in item.rstrip("\n").split("\n"):
            yield f"{indent}  {line}" if line else ""
    else:
        yield f"{head} {scalar(item)}"


def scalar(value: Any) -> str:
    """One value on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (dict, list, tuple)) and not value:
        return "{}" if isinstance(value, dict) else "[]"
    raise YamlError(f"a {type(value).__name__} cannot be written: {value!r}"[:200])


def _number(value: float) -> str:
    if value != value:
        return ".nan"
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    text = repr(float(value))
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text.replace("e", "e+") if "e" in text and text.split("e")[1].isdigit() else text


def _text(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) is not None and text[-1] not in " =<>~"
    if is_plain and text.lower() not in _WORDS and isinstance(resolved(text), str):
        return text
    return '"' + "".join(_SHORT.get(char) or _character(char) for char in text) + '"'


def _character(char: str) -> str:
    if _BARE.fullmatch(char) is not None:
        return char
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _is_block(text: str) -> bool:
    """Whether it is best read line by line, as a Dockerfile is."""
    if "\n" not in text or text[0] in " \n\t" or text.endswith("\n\n"):
        return False
    lines = text.rstrip("\n").split("\n")
    return (
        all(
            line[-1:] not in (" ", "\t") and all(_BARE.fullmatch(char) for char in line)
            for line in lines
        )
        and lines[0] != ""
    )
