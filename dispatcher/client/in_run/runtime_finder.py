"""Finds the modules of the in-run code again when the workspace is moved while a script runs.

The import path of a script names the folder of that code by its path at the start. The folder
itself is kept open here, so the kernel knows where it is now.
"""

from __future__ import annotations

import os
import sys

import dispatcher as own_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Optional, Sequence

_PACKAGES = (own_package.__name__, "azureml")


class RuntimeFinder:
    """The last finder of modules: it is asked for what is not found by path.

    Args:
        folder: The folder of the in-run code.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def find_spec(
        self,
        fullname: str,
        _path: Optional[Sequence[str]] = None,
        target: Optional[ModuleType] = None,
    ) -> Optional[ModuleSpec]:
        """The module's spec at the place where the folder is now, if it was moved."""
        package, *below = fullname.split(".")[:-1] or [fullname]
        if package not in _PACKAGES:
            return None
        try:
            now = os.readlink(f"/proc/self/fd/{self._descriptor}")
        except OSError:
            return None
        if now == self._folder:
            return None
        from importlib.machinery import PathFinder

        folders = [] if "." not in fullname else [package, *below]
        return PathFinder.find_spec(fullname, [os.path.join(now, *folders)], target)


def install() -> None:
    """Add the finder to this process, once. Does nothing where the code is not in a folder."""
    if any(isinstance(finder, RuntimeFinder) for finder in sys.meta_path):
        return
    folder = os.path.realpath(os.path.dirname(next(iter(own_package.__path__))))
    if os.path.isdir(folder):
        sys.meta_path.append(RuntimeFinder(folder))
