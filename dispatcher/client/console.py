"""Text for the user's console: it is shown whatever the console's encoding is."""

from __future__ import annotations

import sys


def write(text: str) -> None:
    """Write to stdout and flush it; characters that its encoding lacks are replaced by `?`.

    Args:
        text: The text. Terminal escapes are kept, as a log may have colours.
    """
    stream = sys.stdout
    if stream is None:  # an application without a console
        return
    encoding = getattr(stream, "encoding", None)
    try:
        if encoding:
            text = text.encode(encoding, "replace").decode(encoding)
    except (LookupError, UnicodeError):
        text = text.encode("ascii", "replace").decode("ascii")
    stream.write(text)
    stream.flush()


def echo(text: str = "") -> None:
    """Write a line; see `write`."""
    write(f"{text}\n")
