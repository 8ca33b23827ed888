"""Where the running code of this package was imported from."""

from __future__ import annotations

import os

import dispatcher


def own_path() -> str:
    """The entry of sys.path that this package was imported from."""
    return os.path.dirname(os.path.abspath(next(iter(dispatcher.__path__))))


def is_runtime(path: str) -> bool:
    """Whether `runtime.materialise` or `build_zip` wrote a path, so that jobs may import it.

    An installation has other packages beside it, and its `azureml` may be another one.
    """
    return not os.path.isdir(path) or not os.path.isdir(os.path.join(path, "dispatcher/core"))
