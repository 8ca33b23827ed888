"""Modules of the standard library for this package, where the user has modules of their names.

A script's folder stands before the standard library on the import path, so a user's own `json.py`
or `logging.py` is what every package of the process gets. Where there is such a module, the modules
of this package import the standard library's own all the same, and the user's stay the user's.
"""

from __future__ import annotations

import _thread
import builtins
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence

_HOME = __file__.rsplit(os.sep, 4)[0]  # of this package: it has no module of the user
_FOLDER = os.path.dirname(os.__file__)
_COMPILED = os.path.join(_FOLDER, "lib-dynload")


def protect(package: str) -> None:
    """Have the modules of a package that are imported from now on get the standard library's own.

    Does nothing where no folder of the user has a module of such a name.

    Args:
        package: The package's name.
    """
    shadowed = _shadowed()
    if shadowed:
        sys.meta_path.insert(0, _OwnModules(package, StandardImports(shadowed)))


class StandardImports:
    """The `import` of this package's modules.

    Args:
        shadowed: The names of the standard library that modules of the user have, too.
    """

    def __init__(self, shadowed: FrozenSet[str]) -> None:
        self._shadowed = shadowed
        self._names = _standard_names()
        self._own: Dict[str, ModuleType] = {}
        self._lock = _thread.RLock()
        self._import = builtins.__import__
        self.builtins = {**vars(builtins), "__import__": self.import_module}

    def import_module(
        self,
        name: str,
        variables: Optional[Mapping[str, object]] = None,
        local: Optional[Mapping[str, object]] = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """Import as `__import__` does, names of the standard library from there alone."""
        if level or name.partition(".")[0] not in self._names:
            return self._import(name, variables, local, fromlist, level)
        with self._lock:
            users = {key: module for key, module in self._loaded() if not _is_standard(module)}
            for key in users:
                del sys.modules[key]
            sys.modules.update(self._own)
            before, path = frozenset(sys.modules), sys.path
            sys.path = [_FOLDER, _COMPILED]
            try:
                return self._import(name, variables, local, fromlist, level)
            finally:
                sys.path = path
                self._own.update((k, m) for k, m in self._loaded() if k not in before)
                for key in self._own:
                    sys.modules.pop(key, None)
                sys.modules.update(users)

    def _loaded(self) -> List[Any]:
        pairs = list(sys.modules.items())
        return [pair for pair in pairs if pair[0].partition(".")[0] in self._shadowed]


class _OwnModules:
    """Finds the modules of this package as Python does, and gives them another `import`.

    Args:
        package: The package's name.
        imports: Their import.
    """

    def __init__(self, package: str, imports: StandardImports) -> None:
        self._prefix = f"{package}."
        self._imports = imports

    def find_spec(
        self,
        name: str,
        path: Optional[Sequence[str]] = None,
        target: Optional[ModuleType] = None,
    ) -> Optional[ModuleSpec]:
        """The module's spec; None if it is not of this package, or not in a file of source."""
        if not name.startswith(self._prefix):
            return None
        from importlib.machinery import PathFinder, SourceFileLoader

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        own_builtins = self._imports.builtins

        class Loader(SourceFileLoader):
            def exec_module(self, module: ModuleType) -> None:
                vars(module)["__builtins__"] = own_builtins
                super().exec_module(module)

        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def _shadowed() -> FrozenSet[str]:
    """The names of the standard library that entries of the import path before it have, too."""
    path = sys.path[: sys.path.index(_FOLDER)] if _FOLDER in sys.path else sys.path
    names = {name for entry in path if entry != _HOME for name in modules_in(entry or os.curdir)}
    return frozenset(names & _standard_names()) if names else frozenset()


def modules_in(folder: str) -> List[str]:
    """The names of the modules and packages of a folder; none if it cannot be read."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    stems = [entry.partition(".")[0] for entry in entries if entry.endswith((".py", ".so"))]
    folders = [entry for entry in entries if "." not in entry]
    packages = [e for e in folders if os.path.isfile(os.path.join(folder, e, "__init__.py"))]
    return stems + packages


def _standard_names() -> FrozenSet[str]:
    known = getattr(sys, "stdlib_module_names", None)  # from Python 3.10 on
    if known is not None:
        return frozenset(known)
    return frozenset([*sys.builtin_module_names, *modules_in(_FOLDER), *modules_in(_COMPILED)])


def _is_standard(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or os.path.dirname(file).startswith(_FOLDER)
