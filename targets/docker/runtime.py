"""The agent as a folder that containers see read-only. What runs there imports the standard library
alone, so it runs in any image that has Python 3.8 or newer.
"""

import sys
from pathlib import Path

from dispatcher.agent.runtime import materialise


def unpack(folder: Path) -> Path:
    """Have the agent below the folder, one copy a version, and return what to mount.

    A container that runs keeps what it started with when the service is upgraded.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = Path(materialise(str(folder), sys.executable))
    open_to_all(whole)
    return whole


def open_to_all(folder: Path) -> None:
    """Whatever the umask: any user of a container may read it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
