"""Chooses how a job starts: in a fresh interpreter, or by a fork of a preloaded one."""

from __future__ import annotations

import os
import sys

from dispatcher.agent.starting.spawning import interpreter_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

    class ForkServerKey(NamedTuple):
        """What jobs must have in common to be forked from one fork server."""

        interpreter: str
        preload: Tuple[str, ...]
        environment: Tuple[Tuple[str, Optional[str]], ...]  # None: not set

else:
    from collections import namedtuple

    ForkServerKey = namedtuple("ForkServerKey", ["interpreter", "preload", "environment"])

# Variables that an interpreter or its C library reads once, at its start.
_AT_START = ("PYTHON", "LC_", "LD_", "MALLOC_", "GLIBC_")
_AT_START_NAMES = ("LANG", "LANGUAGE", "HOME", "PATH_LOCALE", "LOCPATH")
_STANDARD = frozenset(getattr(sys, "stdlib_module_names", ()))  # from Python 3.10 on
_NOTHING: Dict[str, None] = {}
_HARMLESS = ("PYTHONUNBUFFERED",)
# Of the shell that started the service; those of a submitter stay behind (docs/inheritance.md).
_UNIMPORTANT = ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONSTARTUP", "PYTHONINSPECT")
# Variables that libraries read when they are imported; they matter with preloaded modules.
_AT_IMPORT = (
    "BLIS_",
    "JAX_",
    "KMP_",
    "MKL_",
    "MPL",
    "NPY_",
    "NUMEXPR_",
    "OMP_",
    "OPENBLAS_",
    "OPENSSL_",
    "PYTORCH_",
    "SSL_",
    "TF_CPP_",
    "TORCH_",
    "XLA_",
)


def key_of(
    job: Mapping[str, Any], default: str, inherited: Mapping[str, Optional[str]] = _NOTHING
) -> ForkServerKey:
    """The key of the fork server that could start the job.

    Args:
        job: The job.
        default: The interpreter that `python` means.
        inherited: What the job inherits that the agent has otherwise; see `differences`.
    """
    environment: Dict[str, str] = job.get("env") or {}
    preload = tuple(job.get("preload") or ())
    fixed = {k: v for k, v in inherited.items() if _is_read_at_start(k) and k not in _UNIMPORTANT}
    fixed.update({k: v for k, v in environment.items() if _is_fixed(k, v)})
    if preload:
        for variables in (inherited, environment):
            fixed.update({k: v for k, v in variables.items() if k.startswith(_AT_IMPORT)})
    interpreter = interpreter_of(job.get("interpreter"), default, environment)
    if is_same_binary(interpreter, default):
        interpreter = default
    return ForkServerKey(interpreter, preload, tuple(sorted(fixed.items())))


def differences(inherited: Mapping[str, str], own: Mapping[str, str]) -> Dict[str, Optional[str]]:
    """The inherited variables that the agent's own differ from; None where it alone has one."""
    changed: Dict[str, Optional[str]] = {k: v for k, v in inherited.items() if own.get(k) != v}
    changed.update({k: None for k in own if k not in inherited})
    return changed


def fresh_reason(job: Mapping[str, Any], key: ForkServerKey, default: str) -> Optional[str]:
    """Why the job needs a fresh interpreter, as far as its fields show; None: it may be forked.

    A job with the start method `fork` is also forked where `auto` would not fork it.
    """
    start = job.get("start") or "auto"
    if start == "fresh":
        return "the start method is fresh"
    if job.get("command") is not None or not job.get("script"):
        return "not a Python script"
    if start == "fork":
        return None
    if key.interpreter != default:
        return "another interpreter"
    for name, _ in key.environment:
        if _is_read_at_start(name):
            return f"{name} is read when an interpreter starts"
    return None


def own_modules(snapshot: Optional[str], script: str) -> frozenset[str]:
    """The names of the modules in a script's folder of the snapshot, and in the snapshot's root."""
    return frozenset(
        entry.partition(".")[0]
        for folder in _folders(snapshot, script)
        for entry in os.listdir(folder)
    )


def own_standard_modules(snapshot: Optional[str], script: str) -> frozenset[str]:
    """Those that have the name of a module of the standard library, which they hide.

    The in-run code is protected from them only where an interpreter starts with them.
    """
    return frozenset(
        name
        for folder in _folders(snapshot, script)
        for name in _STANDARD.intersection(entry.partition(".")[0] for entry in os.listdir(folder))
        if os.path.isfile(os.path.join(folder, f"{name}.py"))
        or os.path.isfile(os.path.join(folder, name, "__init__.py"))
    )


def _folders(snapshot: Optional[str], script: str) -> List[str]:
    if snapshot is None:
        return []
    folders = {os.path.join(snapshot, folder) for folder in ("", os.path.dirname(script))}
    return [folder for folder in folders if os.path.isdir(folder)]


def is_same_binary(path: str, other: str) -> bool:
    """Whether two paths name one interpreter; two environments with one binary are different."""
    if path == other:
        return True
    try:
        same_folder = os.path.samefile(os.path.dirname(path), os.path.dirname(other))
        return same_folder and os.path.samefile(path, other)
    except OSError:
        return False


def _is_fixed(name: str, value: str) -> bool:
    if name in _HARMLESS and value == "1":
        return False
    if name in _AT_START_NAMES and os.environ.get(name) == value:
        return False
    return _is_read_at_start(name)


def _is_read_at_start(name: str) -> bool:
    return name in _AT_START_NAMES or name.startswith(_AT_START)
