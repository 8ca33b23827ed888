"""gitignore patterns, matched as git matches them.

A pattern without a slash (but at its end) fits at any depth, one with a slash only from the root;
`*` and `?` stop at slashes, `**` does not; `!` takes back; the last pattern that fits decides; what
lies in an ignored folder is ignored, whatever a later pattern says of it.

This is not the library pathspec, because snapshots are also taken inside runs: pathspec needs
Python 3.9, runs use 3.8, and it differs from git for negated classes, empty segments and `***`.
The tests compare this module with git itself.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Optional, Pattern, Tuple


class Ignore:
    """The patterns of one ignore file.

    Args:
        lines: Its lines.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: List[Tuple[Pattern[str], bool, bool]] = []
        for line in lines:
            rule = _compile(line)
            if rule is not None:
                self._rules.append(rule)

    def says(self, path: str, is_folder: bool) -> bool:
        """Whether the patterns ignore this path; its folders are looked at by the caller."""
        for pattern, folders_only, ignores in reversed(self._rules):
            if (is_folder or not folders_only) and pattern.fullmatch(path):
                return ignores
        return False

    def ignores(self, path: str) -> bool:
        """Whether a file is ignored, by itself or by a folder above it."""
        parts = path.split("/")
        folders = ["/".join(parts[:n]) for n in range(1, len(parts))]
        return any(self.says(folder, True) for folder in folders) or self.says(path, False)


def _compile(line: str) -> Optional[Tuple[Pattern[str], bool, bool]]:
    text = _trimmed(line)
    if not text or text.startswith("#"):
        return None
    ignores = not text.startswith("!")
    if not ignores:
        text = text[1:]
    folders_only = text.endswith("/")
    body = text[:-1] if folders_only else text
    if not body:
        return None
    anchored = "/" in body
    body = body[1:] if body.startswith("/") else body
    try:
        return re.compile(_regex(body, anchored), re.DOTALL), folders_only, ignores
    except re.error:
        return None


def _trimmed(line: str) -> str:
    """Without the line's end and trailing blanks, unless a backslash keeps the blank."""
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not _is_escaped(text, len(text) - 1):
        text = text[:-1]
    return text


def _is_escaped(text: str, position: int) -> bool:
    slashes = 0
    while position > slashes and text[position - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1


def _regex(body: str, anchored: bool) -> str:
    segments = body.split("/")
    regex = "" if anchored else "(?:.*/)?"
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if len(segment) > 1 and not segment.strip("*"):  # git takes *** for **
            regex += ".+" if last else "(?:.*/)?"
        else:
            regex += _segment(segment) + ("" if last else "/")
    return regex


def _segment(segment: str) -> str:
    regex, position = "", 0
    while position < len(segment):
        char = segment[position]
        position += 1
        if char == "*":
            regex += "[^/]*"
        elif char == "?":
            regex += "[^/]"
        elif char == "[":
            piece, position = _bracket(segment, position)
            regex += piece
        elif char == "\\" and position < len(segment):
            regex += re.escape(segment[position])
            position += 1
        else:
            regex += re.escape(char)
    return regex


def _bracket(segment: str, position: int) -> Tuple[str, int]:
    """A `[…]` class that opens just before the position; without an end it is a plain bracket."""
    end = position
    if segment[end : end + 1] in ("!", "^"):
        end += 1
    if segment[end : end + 1] == "]":
        end += 1
    while end < len(segment) and segment[end] != "]":
        end += 2 if segment[end] == "\\" else 1
    if end >= len(segment):
        return re.escape("["), position
    inside = segment[position:end]
    negated = inside[:1] in ("!", "^")
    inside = inside[1:] if negated else inside
    body = inside.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("^", "\\^")
    return f"(?!/)[{'^' if negated else ''}{body}]", end + 1
