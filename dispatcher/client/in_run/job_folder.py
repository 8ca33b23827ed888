"""The folder of the job around this code, also after the workspace was moved."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def job_folder() -> Optional[str]:
    """The job's folder; None outside of a job that has one.

    A job whose workspace was moved finds its folder above its working directory.
    """
    folder = os.environ.get("DISPATCHER_JOB_DIR")
    if not folder or os.path.isdir(folder):
        return folder or None
    return _above_cwd(os.path.basename(folder)) or folder


def _above_cwd(name: str) -> Optional[str]:
    try:
        above = os.getcwd()
    except OSError:
        return None  # the working directory was deleted
    while above != os.path.dirname(above):
        if os.path.basename(above) == name:
            return above
        above = os.path.dirname(above)
    return None
