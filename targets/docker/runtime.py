"""The agent as a folder that containers mount read-only.

Its code imports the standard library alone and runs in any image with Python 3.8 or newer.
"""

import sys
from pathlib import Path

from dispatcher.agent.runtime import materialise


def unpack(folder: Path) -> Path:
    """Write the agent below the folder, one copy for each version; returns what to mount.

    A running container keeps its version when the service is upgraded.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = Path(materialise(str(folder), sys.executable))
    open_to_all(whole)
    return whole


def open_to_all(folder: Path) -> None:
    """Let any user of a container read the folder, independent of the umask."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
