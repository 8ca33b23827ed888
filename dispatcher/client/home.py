"""The folder of everything that belongs to no project."""

from __future__ import annotations

import os


def dispatcher_home() -> str:
    """`DISPATCHER_HOME`, or `~/.dispatcher`."""
    return os.environ.get("DISPATCHER_HOME") or os.path.join(os.path.expanduser("~"), ".dispatcher")
