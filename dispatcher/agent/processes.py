"""The process table of this machine, and kernel calls that Python does not offer."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

from dispatcher.agent.folders import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator, List, Optional, Set

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SFD_NONBLOCK, _SFD_CLOEXEC = 0o4000, 0o2000000
_PUNCH_HOLE_KEEP_SIZE = 3
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl  # looked up once, before the forks


def become_subreaper(yes: bool = True) -> None:
    """Make this process the parent of all orphans below it, also of daemons.

    Without a child, no process below is alive; so the end of a job is detected.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)


def die_with_parent(signal_number: int) -> None:
    """Receive this signal when the parent dies."""
    _prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def signal_descriptor(signal_number: int) -> int:
    """A descriptor that is readable while that (blocked) signal is pending."""
    mask = (1 << (signal_number - 1)).to_bytes(128, "little")
    descriptor = int(_libc.signalfd(-1, mask, _SFD_NONBLOCK | _SFD_CLOEXEC))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def punch_hole(descriptor: int, start: int, length: int) -> bool:
    """Free the blocks of a part of a file; False if the file system cannot."""
    offset, size = ctypes.c_int64(start), ctypes.c_int64(length)
    return int(_libc.fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, offset, size)) == 0


def sync_file_system(path: str) -> None:
    """Write all that the file system of a path has in memory to its disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)


def descendants(pid: int) -> List[int]:
    """All processes below one, zombies included, parents before children."""
    pids: List[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        pids += children
        waiting += children
    return pids


def session_members(sessions: Set[int]) -> Iterator[int]:
    """The living processes of some sessions."""
    for pid, fields in _all_stats():
        if fields[0] not in "ZX" and int(fields[3]) in sessions:
            yield pid


def marked(mark: str) -> Iterator[int]:
    """The processes that started with `NAME=value` in their environment."""
    needle = mark.encode()
    for pid in _pids():
        try:
            with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
                if needle in file.read(1 << 21).split(b"\0"):
                    yield pid
        except OSError:
            continue


def send(pids: Iterable[int], signal_number: int) -> List[int]:
    """Signal each process; returns those that received it."""
    reached = []
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.EPERM):
                raise
        else:
            reached.append(pid)
    return reached


def is_alive(pid: int) -> bool:
    """Whether a process of that id exists and has not ended."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] not in "ZX"


def _children(pid: int) -> List[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    listed = [_read(f"/proc/{pid}/task/{thread}/children") for thread in threads]
    if not any(listed) and not os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"):
        return [child for child, fields in _all_stats() if int(fields[1]) == pid]
    return [int(child) for line in listed for child in line.split()]


def _all_stats() -> Iterator[tuple[int, List[str]]]:
    for pid in _pids():
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if fields:
            yield pid, fields


def _pids() -> List[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _read(path: str) -> str:
    try:
        return read_file(path).decode("utf-8", "replace")
    except OSError:
        return ""


def set_nice(pid: int, nice: Optional[int]) -> None:
    """Set the nice value of a process; None: leave it. A value that is not allowed changes nothing.

    Args:
        pid: The process; 0: this one.
        nice: The nice value.
    """
    if nice is None:
        return
    with contextlib.suppress(OSError):
        if os.getpriority(os.PRIO_PROCESS, pid) != nice:
            os.setpriority(os.PRIO_PROCESS, pid, nice)
