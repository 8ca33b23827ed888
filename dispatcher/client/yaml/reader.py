"""Reads YAML as configurations are written: mappings, lists and scalars, in block and flow style.

A configuration may come from anywhere, so what can do harm is refused by name: tags, anchors and
aliases, repeated keys, nesting without an end, files without one. Scalars are those of YAML 1.2's
core schema, as v1 read them: `yes` is a text, `true` is a bool. Standard library only.
"""

from __future__ import annotations

import re

from dispatcher.client.yaml.scalars import Unfinished, YamlError, quoted, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Match, NoReturn, Optional, Tuple

MOST_BYTES = 4 << 20
MOST_DEPTH = 60
_QUOTED_KEY = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')[ \t]*:(?=[ \t]|$)""")
_PLAIN_KEY = re.compile(
    r"""(?:[^ \t\-?:,\[\]{}#&*!|>'"%@`]|[\-?:](?=[^ \t])).*?:(?=[ \t]|$)|:(?=[ \t]|$)"""
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLOCK = re.compile(r"([|>])([+-]?)([1-9]?)([+-]?)[ \t]*(?:#.*)?")
_REFUSED = {
    "!": "a tag",
    "&": "an anchor",
    "*": "an alias",
    "%": "a directive",
    "@": "a reserved sign",
    "`": "a reserved sign",
}


def parse(text: str) -> Any:
    """What a YAML text says: dicts, lists, texts, numbers, bools and None.

    Raises:
        YamlError: It is no YAML, or has what is not read here; the text names the line.
    """
    if len(text) > MOST_BYTES:
        raise YamlError(f"it has {len(text)} characters; {MOST_BYTES} are read at most")
    odd = _CONTROL.search(text)
    if odd is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise YamlError(f"line {line}: it has a control character, {odd[0]!r}")
    return _Parser(text).document()


class _Parser:
    """The lines that are left, and where they came from."""

    def __init__(self, text: str) -> None:
        text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
        self._lines = (text[:-1] if text.endswith("\n") else text).split("\n")
        self._at = 0

    def document(self) -> Any:
        if self._peek()[0] == 0 and re.match(r"---([ \t]|$)", self._line()):
            self._lines[self._at] = "   " + self._line()[3:]
        indent, _ = self._peek()
        value = self._block(indent, 0) if indent >= 0 else None
        indent, content = self._peek()
        if indent >= 0 and content.rstrip(" \t") != "...":
            self._fail("this is neither part of what stands above nor the end of the text")
        return value

    def _line(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _peek(self) -> Tuple[int, str]:
        """The next line that says something: its indentation and content; (-1, "") at the end."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            content = line.lstrip(" ")
            if content.startswith("\t") and content.strip(" \t") and content.strip(" \t")[0] != "#":
                self._fail("it is indented with a tab; YAML takes spaces")
            if content.strip(" \t") and content.lstrip(" \t")[0] != "#":
                return len(line) - len(content), content
            self._at += 1
        return -1, ""

    def _fail(self, why: str) -> NoReturn:
        raise YamlError(f"line {self._at + 1}: {why}")

    def _block(self, indent: int, depth: int) -> Any:
        if depth > MOST_DEPTH:
            self._fail(f"it is nested more than {MOST_DEPTH} deep")
        _, content = self._peek()
        if content == "-" or content.startswith("- "):
            return self._list(indent, depth)
        if content.startswith("? "):
            self._fail("keys of more than one line are not read here")
        if _key_of(content):
            return self._mapping(indent, depth)
        self._lines[self._at] = ""
        return self._inline(content, indent - 1, depth)

    def _list(self, indent: int, depth: int) -> List[Any]:
        found: List[Any] = []
        while True:
            at, content = self._peek()
            if at != indent or not (content == "-" or content.startswith("- ")):
                if at > indent:
                    self._fail("it is indented more deeply than the list that it is in")
                return found
            rest = content[1:].lstrip(" ")
            if not rest or rest[0] == "#":
                self._at += 1
                found.append(self._below(indent, depth))
                continue
            inner = indent + len(content) - len(rest)
            if rest == "-" or rest.startswith("- ") or _key_of(rest):
                self._lines[self._at] = " " * inner + rest
                found.append(self._block(inner, depth + 1))
            else:
                self._lines[self._at] = ""
                found.append(self._inline(rest, indent, depth))

    def _mapping(self, indent: int, depth: int) -> Any:
        found: dict[Any, Any] = {}
        while True:
            at, content = self._peek()
            if at != indent or content.rstrip(" \t") == "..." or content.startswith("- "):
                if at > indent:
                    self._fail("it is indented more deeply than the key above, which has a value")
                return found
            match = _key_of(content)
            if match is None:
                self._refuse(content)
                self._fail(f"{content[:40]!r} is no `key: value`")
            key = self._scalar(match[0].rstrip(" \t")[:-1].rstrip(" \t"))
            if key in found:
                self._fail(f"the key {key!r} is there a second time")
            rest = content[match.end() :].strip(" \t")
            if not rest or rest[0] == "#":
                self._at += 1
                found[key] = self._below(indent, depth, list_at=indent)
            else:
                self._lines[self._at] = ""
                found[key] = self._inline(rest, indent, depth)

    def _below(self, indent: int, depth: int, list_at: int = -1) -> Any:
        """The value of a key or dash that stands on the lines below; None if there are none."""
        at, content = self._peek()
        is_list = content == "-" or content.startswith("- ")
        if at > indent or (at == list_at and at >= 0 and is_list):
            return self._block(at, depth + 1)
        return None

    def _inline(self, rest: str, indent: int, depth: int) -> Any:
        """A value that begins on this line; the line itself is taken already."""
        self._refuse(rest)
        if rest[0] in "|>":
            return self._literal(rest, indent)
        if rest[0] in "[{":
            return self._flow(rest, depth)
        if rest[0] in "\"'":
            return self._quoted(rest)
        text = _uncommented(rest)
        self._at += 1
        while True:
            blank = self._at < len(self._lines) and not self._line().strip(" \t")
            at, content = self._peek()
            if at <= indent or blank or (at == 0 and content.rstrip(" \t") in ("...", "---")):
                break
            if _key_of(content) or content.startswith("- "):
                self._fail("it is indented more deeply than what stands above, which has a value")
            text += " " + _uncommented(content)
            self._at += 1
        if re.search(r":([ \t]|$)", text):
            self._at -= 1
            self._fail(f"{text[:40]!r} has a ': ' in it: put it in quotes")
        return self._scalar(text)

    def _refuse(self, content: str) -> None:
        why = _REFUSED.get(content[0])
        if why is not None:
            self._fail(f"{content.split()[0][:40]!r} is {why}: these are not read here")

    def _scalar(self, text: str) -> Any:
        try:
            if text[:1] in ("'", '"'):
                value, used = quoted(text, 0)
                if text[used:].strip(" \t"):
                    self._fail(f"{text[used:][:40]!r} follows what was quoted")
                return value
            if text:
                self._refuse(text)
            return resolved(text)
        except ValueError as error:
            self._fail(str(error))

    def _quoted(self, rest: str) -> Any:
        def read(lines: List[str]) -> Tuple[Any, int, str]:
            text = "\n".join(line.strip(" ") for line in lines)
            value, used = quoted(text, 0)
            return value, text.count("\n", 0, used), text[used:].split("\n", 1)[0].strip(" \t")

        return self._over_lines(rest, read)

    def _literal(self, rest: str, indent: int) -> str:
        match = _BLOCK.fullmatch(rest)
        if match is None:
            self._fail(f"{rest[:40]!r} is no head of a block of text")
        self._at += 1
        lines: List[str] = []
        inner = indent + int(match[3]) if match[3] else -1
        if match[3] and indent < 0:
            inner = int(match[3])
        while self._at < len(self._lines):
            line = self._line()
            at = len(line) - len(line.lstrip(" "))
            if line.strip(" "):
                if inner < 0 and at > indent:
                    inner = at
                if at < inner or inner < 0:
                    break
            lines.append(line)
            self._at += 1
        cut = [line[max(inner, 0) :] for line in lines]
        return _folded(cut, match[1], match[2] or match[4])

    def _flow(self, rest: str, depth: int) -> Any:
        from dispatcher.client.yaml.flow import Flow

        return self._over_lines(rest, lambda lines: Flow(lines, MOST_DEPTH - depth).value())

    def _over_lines(self, rest: str, read: Callable[[List[str]], Tuple[Any, int, str]]) -> Any:
        """A value that ends on this line or a later one; `read` is given ever more of them."""
        count = 1
        while True:
            try:
                value, used, after = read([rest, *self._lines[self._at + 1 : self._at + count]])
                break
            except Unfinished as error:
                if self._at + count >= len(self._lines):
                    self._fail(str(error))
                count *= 2
            except ValueError as error:
                self._fail(str(error))
        self._at += used
        if after and after[0] != "#":
            self._fail(f"{after[:40]!r} follows what has ended")
        self._at += 1
        return value


def _key_of(content: str) -> Optional[Match[str]]:
    """The key that the line begins with, and its colon."""
    if content[0] in "\"'":
        return _QUOTED_KEY.match(content)
    return _PLAIN_KEY.match(_uncommented(content))


def _uncommented(text: str) -> str:
    return re.split(r"[ \t]#", text, maxsplit=1)[0].rstrip(" \t")


def _folded(lines: List[str], style: str, chomp: str) -> str:
    body = list(lines)
    while body and not body[-1].strip(" "):
        body.pop()
    ends = len(lines) - len(body)
    if not body:
        return "\n" * ends if chomp == "+" else ""
    text = "\n".join(body) if style == "|" else _joined(body)
    return text + ("" if chomp == "-" else "\n" * (ends + 1) if chomp == "+" else "\n")


def _joined(body: List[str]) -> str:
    """Lines become one but where an empty one or an indented one stands."""
    text, above, empty = "", "", 0
    for k, line in enumerate(body):
        if not line:
            empty += 1
            continue
        if k > empty or above:
            is_plain = line[0] not in " \t" and above[:1] not in (" ", "\t")
            text += (" " if not empty else "") if is_plain else "\n"
        text += "\n" * empty + line
        above, empty = line, 0
    return text
