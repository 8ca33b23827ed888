"""Absolute paths of what a caller names, also where the current folder no longer exists."""

from __future__ import annotations

import os

from dispatcher.client.errors import UserErrorException


def absolute(path: str) -> str:
    """`os.path.abspath`.

    Raises:
        UserErrorException: The path is relative and the current folder was deleted.
    """
    try:
        return os.path.abspath(path)
    except FileNotFoundError as error:
        raise UserErrorException(
            "The current folder no longer exists: it was deleted or made anew. "
            f"Change to an existing folder (`cd`), or give an absolute path instead of {path!r}."
        ) from error
