"""The folder of the client's own data: `DISPATCHER_HOME`."""

from __future__ import annotations

import os


def dispatcher_home() -> str:
    """`DISPATCHER_HOME`, or `~/.dispatcher`."""
    return os.environ.get("DISPATCHER_HOME") or os.path.join(os.path.expanduser("~"), ".dispatcher")
