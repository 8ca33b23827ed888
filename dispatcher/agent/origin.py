"""Where the running code of this package was imported from, and its name inside jobs."""

from __future__ import annotations

import os

# The package in the runtime that jobs import. A user's own module `dispatcher` cannot hide it.
PRIVATE_PACKAGE = "_compute_target_dispatcher"


def own_path() -> str:
    """The entry of sys.path that this package was imported from."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(os.path.dirname(folder))


def is_runtime(path: str) -> bool:
    """Whether `runtime.materialise` or `build_zip` wrote a path, so that jobs may import it."""
    return not os.path.isdir(path) or os.path.isdir(os.path.join(path, PRIVATE_PACKAGE))
