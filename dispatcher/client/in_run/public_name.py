"""The public name `dispatcher` inside a run: the user's own module of that name, else this package.

In a run this package is imported under a private name. The runtime has a package `dispatcher` in
its place, which calls `provide` when a script imports it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, List, Optional

_NAME = "dispatcher"
_PRIVATE = __name__.partition(".")[0]


def provide(file: str) -> None:
    """Put the module that `import dispatcher` gives into `sys.modules`.

    Args:
        file: The module in the runtime that is being imported.
    """
    runtime = os.path.dirname(os.path.dirname(os.path.abspath(file)))
    paths = [path for path in sys.path if os.path.abspath(path or ".") != runtime]
    users = _spec_of_users(paths)
    if users is None:
        sys.modules[_NAME] = sys.modules[_PRIVATE]
        sys.meta_path.insert(0, _PublicNames(paths))
        return
    module = importlib.util.module_from_spec(users)
    sys.modules[_NAME] = module
    if users.loader is not None and hasattr(users.loader, "exec_module"):
        users.loader.exec_module(module)


class _PublicNames:
    """Finds `dispatcher.x`: the private package's module, else that of an installation.

    Args:
        paths: Where an installation may be; it has the parts that a run does not carry (`cli`).
    """

    def __init__(self, paths: List[str]) -> None:
        self._paths = paths

    def find_spec(
        self,
        name: str,
        path: Any = None,  # noqa: ARG002
        target: Optional[ModuleType] = None,  # noqa: ARG002
    ) -> Optional[ModuleSpec]:
        """The spec of a module; None if it is not below `dispatcher`."""
        if not name.startswith(f"{_NAME}."):
            return None
        private = _PRIVATE + name[len(_NAME) :]
        try:
            known = importlib.util.find_spec(private)
        except ModuleNotFoundError:
            known = None
        if known is not None:
            is_package = known.submodule_search_locations is not None
            alias: Any = _Alias(private)
            return importlib.util.spec_from_loader(name, alias, is_package=is_package)
        installed = [os.path.join(entry, _NAME) for entry in self._paths if _has_ours(entry)]
        return PathFinder.find_spec(name, installed)


class _Alias:
    """Loads a module by importing it under its private name.

    Args:
        private: That name.
    """

    def __init__(self, private: str) -> None:
        self._private = private

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        """The module under its private name."""
        module = importlib.import_module(self._private)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import system has replaced."""
        module.__spec__ = self._spec

    def get_code(self, _name: str) -> Any:
        """The module's code, for `python -m`."""
        spec = importlib.util.find_spec(self._private)
        loader: Any = None if spec is None else spec.loader
        return loader.get_code(self._private)


def _spec_of_users(paths: List[str]) -> Optional[ModuleSpec]:
    """The spec of the first `dispatcher` on the import path that is not this product."""
    for entry in paths:
        if _has_ours(entry):
            continue
        spec = PathFinder.find_spec(_NAME, [entry])
        if spec is not None and (spec.origin is not None or _has_modules(spec)):
            return spec
    return None


def _has_ours(entry: str) -> bool:
    return os.path.isfile(os.path.join(entry, _NAME, "client", "in_run", "context.py"))


def _has_modules(spec: ModuleSpec) -> bool:
    """Whether the folders of a namespace package have modules; a folder of data has none."""
    for folder in spec.submodule_search_locations or ():
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        if any(name.endswith(".py") for name in names):
            return True
    return False
