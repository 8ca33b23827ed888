"""The folder of the client's own data: `DISPATCHER_HOME`."""

from __future__ import annotations

import os

from dispatcher.client.absolute_path import absolute
from dispatcher.client.errors import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def dispatcher_home() -> str:
    """`DISPATCHER_HOME`, or `.dispatcher` in the home of the user.

    Raises:
        UserErrorException: The user has no home: HOME is not set and there is no passwd entry.
    """
    folder = find_home()
    if folder is None:
        raise UserErrorException(
            "HOME is not set and the user has no entry in /etc/passwd: set DISPATCHER_HOME to a "
            "folder that this user may write."
        )
    return folder


def find_home() -> Optional[str]:
    """`DISPATCHER_HOME`, or `.dispatcher` in the home of the user; None if there is no home.

    A `~` in front of `DISPATCHER_HOME` is the home: not every shell or unit file expands it.
    """
    configured = os.environ.get("DISPATCHER_HOME")
    if configured:
        return absolute(os.path.expanduser(configured))
    home = os.path.expanduser("~")
    return os.path.join(home, ".dispatcher") if os.path.isabs(home) else None
