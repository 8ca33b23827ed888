"""The `azureml` package as scripts see it: the shim, on the import path of this process."""

import importlib
import sys
from pathlib import Path
from typing import Any

from dispatcher import azureml_shim

SHIM = str(Path(azureml_shim.__file__).parent)


def shim() -> None:
    """Put the shim on the import path, before an azureml that is installed."""
    if SHIM not in sys.path:
        sys.path.insert(0, SHIM)


def named(path: str) -> Any:
    """What `azureml.core.Run` names: a module, or something in one. Raises LookupError."""
    shim()
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        parent, _, name = path.rpartition(".")
        if not parent:
            raise LookupError(f"there is no {path}") from None
    try:
        return getattr(named(parent), name)
    except AttributeError:
        raise LookupError(f"there is no {path}") from None
