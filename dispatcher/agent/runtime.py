"""The code that jobs import: materialised as a folder on the node, or packed as one zip.

It holds, on top:
- `_compute_target_dispatcher`: the packages client, agent and wire under a private name, which a
  user's own module `dispatcher` neither hides nor is hidden by;
- `azureml`;
- `dispatcher`: the public name of the private package, see `client.in_run.public_name`;
- the metadata of an MLflow plugin, see `client.in_run.mlflow_plugin`.

The libraries of the client are copied from where they are installed, without compiled parts, into
the private package: they neither need nor hide an image's own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile

from dispatcher.agent.durable_folders import is_complete, publish_folder, write_inventory
from dispatcher.agent.folders import make_folder
from dispatcher.agent.origin import PRIVATE_PACKAGE, is_runtime, own_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

_PACKAGES = ("dispatcher/client/", "dispatcher/agent/", "dispatcher/wire/")
_SHIM = "dispatcher/azureml_shim/"
_LIBRARIES = ("yaml",)
_LEFT_OUT = frozenset({"yaml/cyaml.py"})  # binds the C part, and imports an image's own to do so
_LIBRARY_FOLDER = f"{PRIVATE_PACKAGE}/_libraries/"
_COMPILED_AT_A_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
# Imports of our packages, and texts with their names, as in code that is given to an interpreter.
_OWN_NAME = re.compile(
    rb"\bdispatcher(?=\.(?:agent|client|wire|_libraries)\b)"
    rb"|(?<=from )dispatcher(?= import\b)|(?<=import )dispatcher(?= as\b)"
)
_PLUGIN = "compute_target_dispatcher_in_run-1.dist-info"
_FIXED_SOURCES = {
    "dispatcher/__init__.py": (
        f"from {PRIVATE_PACKAGE}.client.in_run.public_name import provide\n\nprovide(__file__)\n"
    ).encode(),
    f"{_PLUGIN}/METADATA": (
        b"Metadata-Version: 2.1\nName: compute-target-dispatcher-in-run\nVersion: 1\n"
    ),
    f"{_PLUGIN}/entry_points.txt": (
        "[mlflow.run_context_provider]\n"
        f"dispatcher = {PRIVATE_PACKAGE}.client.in_run.mlflow_plugin:ProcessTag\n"
        "[mlflow.default_experiment_provider]\n"
        f"dispatcher = {PRIVATE_PACKAGE}.client.in_run.mlflow_plugin:RunExperiment\n"
        "[mlflow.request_auth_provider]\n"
        f"dispatcher = {PRIVATE_PACKAGE}.client.in_run.mlflow_plugin:RunAuth\n"
    ).encode(),
}


def materialise(root: str, interpreter: str) -> str:
    """Return the folder with the in-run code, compiled for the interpreter; create it if missing.

    Args:
        root: Where such folders lie, one per content.
        interpreter: The interpreter of jobs.
    """
    sources = _sources()
    digest = hashlib.sha256(os.fsencode(interpreter))
    for name in sorted(sources):
        digest.update(f"{name}\0{len(sources[name])}\0".encode())
        digest.update(sources[name])
    folder = os.path.join(root, digest.hexdigest()[:16])
    if is_complete(folder):
        return folder
    part = f"{folder}.{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)  # damaged, or of a version that did not sync it
    _write(sources, part)
    _compile(part, interpreter)
    write_inventory(part)
    publish_folder(part, folder)
    return folder


def build_zip() -> bytes:
    """The same as one zip that Python can import from; equal code gives equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(_sources().items()):
            entry = zipfile.ZipInfo(name, _COMPILED_AT_A_FIXED_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()


def _sources() -> Dict[str, bytes]:
    """Path in the runtime → content, of all that belongs to it."""
    path = own_path()
    if not os.path.isdir(path):
        return _in_zip(path)
    if is_runtime(path):
        return _in_runtime(path)
    sources = {f"{PRIVATE_PACKAGE}/__init__.py": _read(f"{path}/dispatcher/__init__.py")}
    for part in _PACKAGES:
        for name, data in _modules(path, part).items():
            sources[name.replace("dispatcher", PRIVATE_PACKAGE, 1)] = data
    for name, data in _modules(path, f"{_SHIM}azureml").items():
        sources[name[len(_SHIM) :]] = data
    renamed = {
        name: _OWN_NAME.sub(PRIVATE_PACKAGE.encode(), data) for name, data in sources.items()
    }
    return {**renamed, **_installed_libraries(), **_FIXED_SOURCES}


def _is_part(name: str) -> bool:
    """Whether a file of a runtime is one of its sources."""
    is_module = name.endswith(".py") and name.startswith((f"{PRIVATE_PACKAGE}/", "azureml/"))
    return is_module or name in _FIXED_SOURCES


def _in_runtime(path: str) -> Dict[str, bytes]:
    sources = {name: _read(os.path.join(path, name)) for name in _FIXED_SOURCES}
    for part in (PRIVATE_PACKAGE, "azureml"):
        sources.update(_modules(path, part))
    return sources


def _modules(path: str, part: str) -> Dict[str, bytes]:
    """The modules below a folder, by their path from `path`."""
    sources = {}
    for folder, _, files in os.walk(os.path.join(path, part)):
        for file in files:
            name = os.path.relpath(os.path.join(folder, file), path)
            if name.endswith(".py"):
                sources[name] = _read(os.path.join(path, name))
    return sources


def _installed_libraries() -> Dict[str, bytes]:
    """The Python modules of the client's libraries, under the private package.

    Raises:
        ModuleNotFoundError: A library is not installed.
    """
    sources = {f"{_LIBRARY_FOLDER}__init__.py": b""}
    for library in _LIBRARIES:
        spec = importlib.util.find_spec(library)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)
        source = next(iter(spec.submodule_search_locations))
        for folder, _, files in os.walk(source):
            for file in files:
                path = os.path.join(folder, file)
                name = os.path.relpath(path, os.path.dirname(source))
                if file.endswith(".py") and name not in _LEFT_OUT:
                    sources[_LIBRARY_FOLDER + name] = _read(path)
    return sources


def _in_zip(path: str) -> Dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if _is_part(name)}


def _write(sources: Dict[str, bytes], folder: str) -> None:
    """Write the files into a new folder, also while what lies around it is moved."""
    make_folder(os.path.dirname(folder))
    os.mkdir(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name, data in sources.items():
            path = f"/proc/self/fd/{descriptor}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
    finally:
        os.close(descriptor)


def _compile(folder: str, interpreter: str) -> None:
    """Compile to files that are never checked against their source. Failures are harmless."""
    command = [interpreter, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    try:
        subprocess.run(
            [*command, "."],
            cwd=folder,  # and not by its path, which leads elsewhere once it was moved
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=120,
        )
    except (OSError, subprocess.TimeoutExpired):
        if interpreter != sys.executable:
            _compile(folder, sys.executable)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
