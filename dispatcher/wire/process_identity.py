"""Which process, of which boot of which machine."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional


class ProcessIdentity:
    """One process of one boot of one machine.

    Attributes:
        pid: The process id, in the process's own namespace.
        started: The process's start in clock ticks since the boot; a reused id has another one.
        boot_id: The boot of the machine.
        host: The machine's name.
    """

    def __init__(self, pid: int, started: Optional[int], boot_id: str, host: str) -> None:
        self.pid = pid
        self.started = started
        self.boot_id = boot_id
        self.host = host

    @classmethod
    def own(cls) -> ProcessIdentity:
        """The identity of this process."""
        pid = os.getpid()
        return cls(pid, start_ticks(pid), boot_id(), socket.gethostname())

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> ProcessIdentity:
        """Decode an identity. Raises KeyError, TypeError or ValueError if it is malformed."""
        started = fields["started"]
        return cls(
            int(fields["pid"]),
            None if started is None else int(started),
            str(fields["boot_id"]),
            str(fields["host"]),
        )

    def encoded(self) -> Dict[str, Any]:
        """The fields as JSON has them."""
        return {
            "pid": self.pid,
            "started": self.started,
            "boot_id": self.boot_id,
            "host": self.host,
        }

    @property
    def is_of_this_kernel(self) -> bool:
        """Whether the process runs, or ran, on this machine since its last boot."""
        return self.boot_id == boot_id()

    @property
    def is_alive_here(self) -> bool:
        """Whether the process can be signaled from here: it lives, and its id was not reused."""
        if not self.is_of_this_kernel or self.started is None:
            return False
        fields = _status_fields(self.pid)
        return bool(fields) and fields[0] not in "ZX" and start_ticks(self.pid) == self.started

    @property
    def is_suspended_here(self) -> bool:
        """Whether the process can be signaled from here and was stopped, as by `kill -STOP`."""
        return self.is_alive_here and _status_fields(self.pid)[:1] in (["T"], ["t"])


def boot_id() -> str:
    """The id of this boot of the machine."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def start_ticks(pid: int) -> Optional[int]:
    """The start of a process in clock ticks since the boot; None if there is no such process.

    With it a reused process id is recognised.
    """
    fields = _status_fields(pid)
    return int(fields[19]) if len(fields) > 19 else None


def _status_fields(pid: int) -> List[str]:
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
