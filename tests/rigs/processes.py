"""The process table: what is alive, told by command line or by a marker in the environment.

A marker (`NAME=value` set where a tree of processes starts) is inherited by everything below it, so
it finds children that changed their name, their group, their session and their parent.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.waiting import until


@dataclass(frozen=True)
class Process:
    """One process as seen at one moment."""

    pid: int
    parent: int
    session: int
    state: str
    command: tuple[str, ...]

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, and only its parent has not noticed yet."""
        return self.state in "ZX"


def processes() -> Iterator[Process]:
    """Every process that can be seen now, zombies included."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := look(int(entry))):
            yield process


def look(pid: int) -> Process | None:
    """One process, or None when there is none of that id."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return None
    state, parent, _group, session = stat.rpartition(")")[2].split()[:4]
    words = tuple(command.rstrip("\0").split("\0"))
    return Process(pid, int(parent), int(session), state, words)


def marked(*markers: str) -> list[Process]:
    """The living processes with one of these `NAME=value` in the environment they started with."""
    wanted = {marker.encode() for marker in markers}
    return [p for p in processes() if not p.is_zombie and not wanted.isdisjoint(_environ(p.pid))]


def running(*words: str) -> list[Process]:
    """The living processes, but for this one, whose command line contains all of the words."""
    return [
        p
        for p in processes()
        if p.pid != os.getpid() and not p.is_zombie and _mentions(p.command, words)
    ]


def children(pid: int) -> list[Process]:
    """The direct children of a process."""
    return [p for p in processes() if p.parent == pid]


def tree(pid: int) -> list[Process]:
    """All descendants of a process, parents before children."""
    found: list[Process] = []
    for child in children(pid):
        found += [child, *tree(child.pid)]
    return found


def family(leader: int, marker: str) -> set[int]:
    """The living processes that descend from a session's leader, whatever they did to hide.

    They are below it in the tree, or in its session, or carry the marker it was started with.
    """
    seen = [p for p in processes() if not p.is_zombie]
    found = {p.pid for p in seen if p.pid == leader or p.session == leader}
    found |= {p.pid for p in tree(leader) if not p.is_zombie}
    return found | {p.pid for p in marked(marker)}


def alive(pid: int) -> bool:
    """Whether there is a process of that id that has not ended."""
    process = look(pid)
    return process is not None and not process.is_zombie


def wait_gone(marker: str, timeout: float = 10.0) -> None:
    """Return once nothing that carries the marker is alive; AssertionError names what still is."""
    try:
        until(lambda: not marked(marker), f"nothing with {marker} is alive", timeout)
    except AssertionError as error:
        raise AssertionError(f"still alive with {marker}: {marked(marker)}") from error


def _mentions(command: tuple[str, ...], words: tuple[str, ...]) -> bool:
    line = " ".join(command)
    return all(word in line for word in words)


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
