"""The agent as a folder that containers see read-only: what runs there imports the standard library
alone, so it runs in any image that has Python 3.8 or newer.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dispatcher

PACKAGES = ("agent", "client", "azureml_shim")


def unpack(folder: Path) -> Path:
    """Copy the agent below the folder, under the hash of its content, and return what to mount.

    A container that runs keeps what it started with when the service is upgraded.
    """
    root = Path(dispatcher.__file__).parent
    sources = sorted(_sources(root))
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    whole = folder / digest.hexdigest()[:16]
    if not whole.exists():
        _copy(root, sources, whole)
    return whole


def _sources(root: Path) -> Iterator[Path]:
    yield root / "__init__.py"
    for package in PACKAGES:
        yield from (root / package).rglob("*.py")


def _copy(root: Path, sources: list[Path], whole: Path) -> None:
    part = whole.with_name(f"{whole.name}.{os.getpid()}")
    for path in sources:
        copy = part / "dispatcher" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for path in (part, *part.rglob("*")):  # whatever the umask: any user of a container reads it
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        part.rename(whole)
    except OSError:  # another process was quicker
        shutil.rmtree(part)
