"""How many CPUs the processes of this machine's agent may use: by affinity and control groups."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Optional

_GROUPS = "/sys/fs/cgroup"


def usable_cpus(groups: str = _GROUPS, own: str = "/proc/self/cgroup") -> float:
    """The CPUs of the affinity (`taskset`), at most the quota of the control groups; at least 1.

    Args:
        groups: Where control groups are mounted.
        own: The file that names the groups of this process.
    """
    if hasattr(os, "sched_getaffinity"):
        count = float(len(os.sched_getaffinity(0)))
    else:
        count = float(os.cpu_count() or 1)
    quotas = [quota for quota in _quotas(groups, own) if quota is not None]
    return max(1.0, min([count, *quotas]))


def _quotas(groups: str, own: str) -> Iterator[Optional[float]]:
    """The quota of each group that this process is in, and of those above it."""
    try:
        with open(own, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            for folder in _upwards(groups, path):
                yield _quota(_read(f"{folder}/cpu.max").split())
        elif "cpu" in controllers.split(","):
            for folder in _upwards(f"{groups}/{controllers}", path):
                texts = [
                    _read(f"{folder}/cpu.cfs_{part}_us").strip() for part in ("quota", "period")
                ]
                yield _quota(texts)


def _upwards(root: str, path: str) -> Iterator[str]:
    """The folder of a group, and those above it; in a container only the root may be there."""
    parts = [part for part in path.split("/") if part and part != ".."]
    for count in range(len(parts), -1, -1):
        yield "/".join([root, *parts[:count]])


def _quota(texts: list[str]) -> Optional[float]:
    if len(texts) != 2 or not all(text.isdigit() for text in texts) or int(texts[1]) == 0:
        return None  # "max", -1, or no such file
    return int(texts[0]) / int(texts[1])


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
