"""YAML's flow style: `[a, b]` and `{a: 1}`, over as many lines as they take. JSON is written so."""

from __future__ import annotations

import re

from dispatcher.client.yaml.scalars import Unfinished, YamlError, quoted, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Match, Tuple

_PLAIN = re.compile(r"(?:[^,\[\]{}:#]|:(?![ \t\n,\[\]{}]|$)|(?<![ \t\n])#)+")

_BREAKS = re.compile(r"[ \t]*\n[ \t\n]*")


class Flow:
    """One collection.

    Args:
        lines: From its first sign on, to the end of the text.
        deepest: How deep it may nest.
    """

    def __init__(self, lines: List[str], deepest: int) -> None:
        self._text = "\n".join(lines)
        self._at = 0
        self._deepest = deepest

    def value(self) -> Tuple[Any, int, str]:
        """The value, how many lines on it ends, and what follows it on that line.

        Raises:
            YamlError: It is none.
        """
        found = self._value(0)
        used = self._text.count("\n", 0, self._at)
        return found, used, self._text[self._at :].split("\n", 1)[0].strip(" \t\n")

    def _value(self, depth: int) -> Any:
        if depth > self._deepest:
            raise YamlError("it is nested too deep")
        char = self._next()
        if char == "[":
            return self._list(depth)
        if char == "{":
            return self._mapping(depth)
        return self._scalar()

    def _next(self) -> str:
        """The next sign, past blanks, ends of lines and comments."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#" and (self._at == 0 or self._text[self._at - 1] in " \t\n"):
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif char in " \t\n":
                self._at += 1
            else:
                return char
        raise Unfinished("a collection in [ ] or { } has no end")

    def _list(self, depth: int) -> List[Any]:
        found: List[Any] = []
        self._at += 1
        while self._next() != "]":
            item = self._value(depth + 1)
            if self._next() == ":":  # a pair by itself is a mapping of one
                self._at += 1
                item = {_key(item): self._value(depth + 1)}
            found.append(item)
            self._separator("]")
        self._at += 1
        return found

    def _mapping(self, depth: int) -> Any:
        found: dict[Any, Any] = {}
        self._at += 1
        while self._next() != "}":
            key = _key(self._value(depth + 1))
            if key in found:
                raise YamlError(f"the key {key!r} is there a second time")
            found[key] = None
            if self._next() == ":":
                self._at += 1
                if self._next() not in ",}":
                    found[key] = self._value(depth + 1)
            self._separator("}")
        self._at += 1
        return found

    def _separator(self, end: str) -> None:
        char = self._next()
        if char == ",":
            self._at += 1
        elif char != end:
            raise YamlError(f"{char!r} stands where ',' or {end!r} is to be")

    def _scalar(self) -> Any:
        char = self._text[self._at]
        if char in "\"'":
            value, self._at = quoted(self._text, self._at)
            return value
        if char in "!&*%@`|>":
            raise YamlError(f"{char!r}: tags, anchors and aliases are not read here")
        match = _PLAIN.match(self._text, self._at)
        if match is None:
            raise YamlError(f"{char!r} begins no value")
        self._at = match.end()
        text = match[0].strip(" \t\n")
        return resolved(_BREAKS.sub(_folded, text) if "\n" in text else text)


def _folded(breaks: Match[str]) -> str:
    """The end of a line is a blank; each empty line after it is a break."""
    return "\n" * (breaks[0].count("\n") - 1) or " "


def _key(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        raise YamlError("a collection is no key")
    return value
