"""The files of control groups: mounted hierarchies, this process's groups, and kill counts."""

from __future__ import annotations

import os

from dispatcher.agent.folders import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

_NO_LIMIT = 1 << 62


def own_oom_file(mounts: Dict[str, str]) -> Optional[str]:
    """Where the kernel counts kills in this process's group: in a container, the container's."""
    for kind, controller, limit, file in (
        ("cgroup2", "", "memory.max", "memory.events"),
        ("memory", "memory", "memory.limit_in_bytes", "memory.oom_control"),
    ):
        group = own_group(mounts[kind], controller) if kind in mounts else ""
        for text in lines_of(f"{group}/{limit}"):
            if text.isdigit() and int(text) < _NO_LIMIT:
                return f"{group}/{file}"
    return None


def oom_count(path: str) -> int:
    """The `oom_kill` line of v2's memory.events or v1's memory.oom_control."""
    for line in lines_of(path):
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def mounted_hierarchies() -> Dict[str, str]:
    """Mount points: `cgroup2`, and `memory` for v1's memory controller."""
    hierarchies: Dict[str, str] = {}
    for line in lines_of("/proc/self/mounts"):
        _, point, kind, options = line.split(" ")[:4]
        if kind == "cgroup2":
            hierarchies.setdefault("cgroup2", point)
        elif kind == "cgroup" and "memory" in options.split(","):
            hierarchies.setdefault("memory", point)
    return hierarchies


def own_group(mount: str, controller: str) -> str:
    """The folder of this process's group; the mount itself where a container hides the rest."""
    for line in lines_of("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = os.path.normpath(mount + path)
            return group if os.path.isdir(group) else mount
    return mount


def lines_of(path: str) -> List[str]:
    try:
        return read_file(path).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
