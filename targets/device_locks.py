"""The files by whose locks the jobs of this machine share its GPUs.

`dispatcher.agent.starting.device_locks` takes the locks. The files are where every user may create
one and none may remove another's: `/run/lock`, and `/tmp` on a machine without it. Jobs only read
them, which is enough for a lock. `DISPATCHER_GPU_LOCKS` names another folder; all services of the
machine must name the same one.
"""

import contextlib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from dispatcher.core.scheduling.shared_gpus import CDI_PREFIX
from targets.base import LaunchRefused
from targets.gpu_detection import DetectedGpu, detect_gpus

FOLDERS = ("/run/lock", "/tmp")
VARIABLE = "DISPATCHER_GPU_LOCKS"


def lock_files(gpus: Sequence[str], folder: Path | None = None) -> tuple[str, ...]:
    """The lock file of each GPU, created if it is not there.

    Args:
        gpus: As a target names them: an index, a UUID, or a CDI name.
        folder: Where the files are; None: the machine's own place.

    Raises:
        LaunchRefused: A file can be neither created nor read; the text says how to mend it.
    """
    if not gpus:
        return ()
    place, detected = folder or _folder(), detect_gpus()
    return tuple(str(_created(place / file_name(gpu, detected))) for gpu in gpus)


def file_name(gpu: str, detected: Sequence[DetectedGpu] = ()) -> str:
    """The file's name for a GPU. An index and the UUID of the same GPU have the same file."""
    name = gpu.removeprefix(CDI_PREFIX)
    by_index = {str(each.index): each.uuid for each in detected}
    name = by_index.get(name, name)
    return f"dispatcher-gpu-{re.sub(r'[^A-Za-z0-9.:_-]', '_', name)}.lock"


def _folder() -> Path:
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    return next((Path(each) for each in FOLDERS if os.access(each, os.W_OK)), Path(FOLDERS[-1]))


def _created(path: Path) -> Path:
    """The file, which everybody may read. Opened before it is created: a protected folder refuses
    to create what exists, even for root (`fs.protected_regular`).
    """
    with contextlib.suppress(FileExistsError):
        if not path.exists():
            flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
            os.fchmod(descriptor, 0o644)  # whatever the umask
            os.close(descriptor)
    is_file = path.exists() and stat.S_ISREG(path.lstat().st_mode)
    if not is_file or not os.access(path, os.R_OK):
        raise LaunchRefused(
            f"the GPU's lock file {path} cannot be read: ask its owner to remove it"
        )
    return path
