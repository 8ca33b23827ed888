"""Third-party libraries of the client: the copies beside the agent's runtime, else the installed.

The runtime of an agent carries pure-Python copies under a private name, so an image needs none and
an image's own version is neither used nor hidden (see `agent/runtime.py`).
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PRIVATE_PACKAGE = "dispatcher._libraries"


def load(name: str) -> Any:
    """Import a library by its name. Raises ImportError when it is nowhere."""
    try:
        return importlib.import_module(f"{PRIVATE_PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        if not f"{PRIVATE_PACKAGE}.{name}".startswith(error.name or ""):
            raise
        return importlib.import_module(name)
