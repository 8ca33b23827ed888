"""YAML as users write configurations: read and written by PyYAML, with the scalars of YAML 1.2.

A configuration may come from anywhere. The reader refuses by name and line what can do harm: tags,
anchors and aliases, directives, repeated keys, deep nesting, long texts. It builds its values from
PyYAML's events, because PyYAML's own loaders take the scalars of YAML 1.1 (`yes` is a bool) and
keep the last of two equal keys.
"""

from __future__ import annotations

import re

from dispatcher.client import libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, NoReturn, Optional

MOST_CHARACTERS = 1 << 18  # PyYAML without its C part takes about a second for so many
MOST_DEPTH = 60
_MOST_DIGITS = 4000  # Python refuses to read more
_NOT_READ = "tags, anchors and aliases are not read"
_STANDARD_TAG = "tag:yaml.org,2002:"
_ADVICE = (
    ("mapping values are not allowed", "; quote a text that has ': ' in it, and align keys"),
    ("found character '\\t'", "; indent with spaces, not with tabs"),
    ("found unexpected end of stream", "; a quoted text has no end"),
    ("expected ',' or ", "; a collection in [ ] or { } has no end"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED_INTEGER = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)")


class YamlError(ValueError):
    """A text is not YAML, or has what is not read here; a value has what YAML cannot hold."""


def parse(text: str) -> Any:
    """What a YAML text says: dicts, lists, texts, numbers, bools and None.

    Raises:
        YamlError: It is not YAML, or has what is not read here; the text names the line.
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlError(f"it has {len(text)} characters; {MOST_CHARACTERS} are read at most")
    control = _CONTROL.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        raise YamlError(f"line {line}: it has a control character, {control[0]!r}")
    yaml = libraries.load("yaml")
    try:
        return _Composer(yaml, text).document()
    except yaml.MarkedYAMLError as error:
        raise YamlError(_explained(error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"line {line}: {error.reason}") from error
    except OverflowError as error:
        raise YamlError("an escape such as \\UFFFFFFFF is not a character") from error


def written(value: Any) -> str:
    """A text that reads back as the value, here and by readers of YAML 1.1.

    Raises:
        YamlError: A part of it is nothing that YAML has.
    """
    yaml = libraries.load("yaml")
    try:
        text: str = yaml.dump(
            value, Dumper=_dumper(yaml), sort_keys=False, allow_unicode=True, width=1 << 20,
        )  # fmt: skip
    except yaml.representer.RepresenterError as error:
        kind = type(error.args[-1]).__name__
        raise YamlError(f"a {kind} cannot be written as YAML") from error
    return text


def resolved(text: str) -> Any:
    """The value of a plain scalar, by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < _MOST_DIGITS:
        return int(text)
    if _BASED_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and len(text) < _MOST_DIGITS:
        return float(text)
    special = _SPECIAL_FLOAT.fullmatch(text)
    return text if special is None else float(special[1] + special[2])


def _explained(error: Any) -> str:
    """PyYAML's error with its line, and with advice for the common mistakes."""
    mark = error.problem_mark or error.context_mark
    context = f" ({error.context})" if error.context else ""
    advice = next((text for start, text in _ADVICE if error.problem.startswith(start)), "")
    return f"line {mark.line + 1}: {error.problem}{context}{advice}"


class _Composer:
    """Builds the value of one document from PyYAML's events."""

    def __init__(self, yaml: Any, text: str) -> None:
        self._yaml = yaml
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._depth = 0

    def document(self) -> Any:
        yaml = self._yaml
        next(self._events)  # the start of the stream
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if start.version or start.tags:
            self._refuse(start, "it has a directive; directives are not read")
        value = self._value(next(self._events))
        next(self._events)  # the end of the document
        end = next(self._events)
        if not isinstance(end, yaml.StreamEndEvent):
            self._refuse(end, "a second document begins; a file holds one")
        return value

    def _value(self, event: Any) -> Any:
        yaml = self._yaml
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"'*{event.anchor}' is an alias; {_NOT_READ}")
        if event.anchor is not None:
            self._refuse(event, f"'&{event.anchor}' is an anchor; {_NOT_READ}")
        if event.tag is not None:
            tag = event.tag.replace(_STANDARD_TAG, "!!", 1)
            self._refuse(event, f"{tag!r} is a tag; {_NOT_READ}")
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else resolved(event.value)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            self._refuse(event, f"it is nested more than {MOST_DEPTH} deep")
        is_list = isinstance(event, yaml.SequenceStartEvent)
        value = self._list() if is_list else self._mapping()
        self._depth -= 1
        return value

    def _list(self) -> Any:
        items = []
        for event in self._events:
            if isinstance(event, self._yaml.SequenceEndEvent):
                break
            items.append(self._value(event))
        return items

    def _mapping(self) -> Any:
        items: dict[Any, Any] = {}
        for event in self._events:
            if isinstance(event, self._yaml.MappingEndEvent):
                break
            key = self._value(event)
            if not isinstance(event, self._yaml.ScalarEvent):
                self._refuse(event, "a key is a text or a number, not a list or a mapping")
            if key in items:
                self._refuse(event, f"the key {key!r} is there a second time")
            items[key] = self._value(next(self._events))
        return items

    def _refuse(self, event: Any, why: str) -> NoReturn:
        raise YamlError(f"line {event.start_mark.line + 1}: {why}")


_dumper_class: Optional[Any] = None


def _dumper(yaml: Any) -> Any:
    """A dumper without aliases. It quotes texts that are numbers, bools or null in YAML 1.2."""
    global _dumper_class
    if _dumper_class is not None:
        return _dumper_class

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

        def represent_text(self, text: str) -> Any:
            style = None
            if "\n" in text:
                style = "|"
            elif not isinstance(resolved(text), str):
                style = "'"
            return self.represent_scalar(f"{_STANDARD_TAG}str", text, style=style)

    Dumper.add_representer(str, Dumper.represent_text)
    _dumper_class = Dumper
    return Dumper
