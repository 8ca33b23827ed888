"""What a job says, as streams of bytes with offsets: its metric lines and the logs of its ranks.

A stream knows how far the service holds it and gives the next chunk. The offset is the service's:
it is learnt from its answers, so sending twice is harmless, and a new agent asks first.
"""

from __future__ import annotations

import os
import time

from dispatcher.agent import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Tuple

    StreamKey = Tuple[str, int, str]

CHUNK = 1 << 20
TAIL = 65536
LONGEST_LINE = 32 << 20
_BLOCK = 4096
_WORTH_PUNCHING = 1 << 20
_TRIES = 3


class Files:
    """How the files of jobs are looked at and opened; others have reason to be more careful."""

    def size(self, path: str) -> int:
        """How long a file is. Raises OSError."""
        return os.stat(path).st_size

    def open(self, path: str, flags: int) -> int:
        """A descriptor of a file. Raises OSError."""
        return os.open(path, flags | os.O_CLOEXEC)

    def entries(self, path: str) -> List[Tuple[str, str]]:
        """What is in a folder, each as file, folder, link or other; nothing if it is none."""
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            return listed(folder)
        finally:
            os.close(folder)

    def identity(self, path: str) -> int:
        """What tells a file from another one that is put in its place; 0 if there is none."""
        try:
            return os.lstat(path).st_ino
        except OSError:
            return 0


def listed(folder: int) -> List[Tuple[str, str]]:
    """What is in an open folder, see `Files.entries`."""
    with os.scandir(folder) as entries:
        return [(entry.name, _kind(entry)) for entry in entries]


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


PLAIN = Files()


def streams_of(
    job: Mapping[str, Any], folder: str, log_limit: int, known: bool, files: Files = PLAIN
) -> List[Stream]:
    """The streams of a job.

    Args:
        job: The job.
        folder: Its folder.
        log_limit: How many bytes of each log the service gets.
        known: Whether the service holds nothing of it yet, for sure.
        files: How they are opened.
    """
    run, attempt = job.get("run_id"), job.get("attempt")
    if run is None or attempt is None:
        return []
    host = streams_host(job)
    metrics = f"metrics-{host}" if host else "metrics"
    found: List[Stream] = [Stream((run, attempt, metrics), f"{folder}/metrics", known, files)]
    ranks = job.get("ranks") or [{"rank": 0}]
    alone = len(ranks) == 1 and not job.get("world")
    for rank in ranks:
        suffix = "" if alone else f"_process_{rank.get('rank', 0)}"
        log = f"user_logs/std_log{suffix}.txt"
        path = f"{folder}/std_log{suffix}.txt"
        found.append(LogStream((run, attempt, f"log:{log}"), path, known, log_limit, files))
    return found


def streams_host(job: Mapping[str, Any]) -> str:
    """Which further host of a gang the job is on; empty for the first one, or the only one."""
    own, _, host = str(job["name"]).rpartition(".")
    return host if own == f"{job['run_id']}-{job['attempt']}" else ""


class Stream:
    """Lines of metrics. Only whole lines are sent: the last one may be half written.

    Args:
        key: Run, attempt and stream, as the service calls it.
        path: The file; it may come later, or never.
        known: Whether the service holds nothing of it yet, for sure.
        files: How it is opened.
    """

    def __init__(self, key: StreamKey, path: str, known: bool, files: Files = PLAIN) -> None:
        self.key = key
        self.offset = 0
        self._path = path
        self._files = files
        self._known = known
        self._size = 0
        self._stalls = 0
        self._not_before = 0.0
        self._refused = False

    def chunk(self, final: bool) -> Optional[Tuple[Dict[str, Any], bytes]]:
        """The next header and bytes; None when there is nothing to send now.

        Args:
            final: Whether nothing writes to it any more. Then None means that all is sent.
        """
        if self._refused or (self._not_before > time.monotonic() and not final):
            return None
        try:
            size = self._files.size(self._path)
        except OSError:
            return None
        if size <= self.offset and (self._known or size == 0):
            return None
        data = self._read_next(size, final) if self._known else b""
        if self._known and not data:
            return None
        run, attempt, stream = self.key
        return {"run": run, "attempt": attempt, "stream": stream, "offset": self.offset}, data

    def acknowledged(self, held: int, sent: bytes) -> None:
        """The service holds so much of it, after it was sent these bytes at the offset."""
        if self._known and sent and held <= self.offset:
            self._stalls += 1
            self._not_before = time.monotonic() + 0.5 * self._stalls
            self._refused = self._stalls >= _TRIES  # an older attempt: the service takes no more
        else:
            self._stalls = 0
        self._known = True
        self.offset = held

    def refuse(self) -> None:
        """The service will never take it."""
        self._refused = True

    def _read_next(self, size: int, final: bool) -> bytes:  # noqa: ARG002
        with open(self._files.open(self._path, os.O_RDONLY), "rb", buffering=0) as file:
            file.seek(self.offset)
            data = file.read(CHUNK) or b""
            end = data.rfind(b"\n") + 1
            while not end and self.offset + len(data) < size and len(data) < LONGEST_LINE:
                more = file.read(CHUNK) or b""
                end = len(data) + more.find(b"\n") + 1 if b"\n" in more else 0
                data += more
            return data[:end]


class LogStream(Stream):
    """A log: its first bytes up to a limit, and when the job has ended a mark and its last bytes.

    What lies between is given back to the disk while the log grows, where the file system can.
    """

    def __init__(
        self, key: StreamKey, path: str, known: bool, limit: int, files: Files = PLAIN
    ) -> None:
        super().__init__(key, path, known, files)
        self._limit = limit
        self._punched = 0

    def _read_next(self, size: int, final: bool) -> bytes:
        with open(self._files.open(self._path, os.O_RDONLY), "rb", buffering=0) as file:
            if size <= self._limit + TAIL:
                end = size if final else min(size, self._limit)
                return _read(file.fileno(), self.offset, end)
            self._punch(size)
            if self.offset < self._limit:
                return _read(file.fileno(), self.offset, self._limit)
            return self._rest(file.fileno(), size) if final else b""

    def _rest(self, descriptor: int, size: int) -> bytes:
        """What comes after the limit: the mark, then the last bytes."""
        mark = (
            f"\n[dispatcher: log truncated: {size - self._limit - TAIL} bytes left out, "
            f"limit {self._limit} bytes; the last {TAIL} bytes follow]\n"
        ).encode()
        rest = mark + _read(descriptor, size - TAIL, size)
        return rest[self.offset - self._limit :]

    def _punch(self, size: int) -> None:
        start = -(-max(self._limit, self._punched) // _BLOCK) * _BLOCK
        end = (size - 2 * TAIL) // _BLOCK * _BLOCK
        if end - start < _WORTH_PUNCHING:
            return
        with open(self._files.open(self._path, os.O_RDWR), "rb+", buffering=0) as file:
            if processes.punch_hole(file.fileno(), start, end - start):
                self._punched = end


def _read(descriptor: int, start: int, end: int) -> bytes:
    return os.pread(descriptor, max(0, min(CHUNK, end - start)), start)
