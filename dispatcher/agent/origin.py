"""Where the running code of this package came from."""

from __future__ import annotations

import os

import dispatcher


def own_path() -> str:
    """The entry of sys.path that this package was imported from."""
    return os.path.dirname(os.path.abspath(next(iter(dispatcher.__path__))))


def is_runtime(path: str) -> bool:
    """Whether a path is what `runtime.materialise` or `build_zip` makes: can be given to jobs.

    Elsewhere this package lies among others, and an `azureml` beside it may be anybody's.
    """
    return not os.path.isdir(path) or not os.path.isdir(os.path.join(path, "dispatcher/core"))
