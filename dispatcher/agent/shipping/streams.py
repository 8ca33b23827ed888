"""The streams of a job: its metric lines and the logs of its ranks, as bytes with offsets.

A stream has the offset up to which the service holds it, and returns the next chunk. The offset
comes from the service's answers, so sending twice is harmless, and a new agent asks for it first.
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
    """Lists and opens the files of jobs. Subclasses guard against hostile folders."""

    def size(self, path: str) -> int:
        """The size of a file in bytes. Raises OSError."""
        return os.stat(path).st_size

    def open(self, path: str, flags: int) -> int:
        """Open a file. Raises OSError."""
        return os.open(path, flags | os.O_CLOEXEC)

    def entries(self, path: str) -> List[Tuple[str, str]]:
        """Name and kind (file, folder, link, other) of a folder's entries; empty if no folder."""
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            return listed(folder)
        finally:
            os.close(folder)

    def behind_link(self, path: str) -> str:
        """What the path is a link to, if links of jobs may be followed; else the path."""
        return os.path.realpath(path) if os.path.islink(path) else path

    def identity(self, path: str) -> int:
        """A number that differs for a file that replaces this one; 0 if there is no file."""
        try:
            return os.lstat(path).st_ino
        except OSError:
            return 0


def listed(folder: int) -> List[Tuple[str, str]]:
    """The entries of an open folder; see `Files.entries`."""
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
    job: Mapping[str, Any], folder: str, log_limit: int, is_new: bool, files: Files = PLAIN
) -> List[Stream]:
    """The streams of a job.

    Args:
        job: The job.
        folder: Its folder.
        log_limit: The number of bytes of each log that is shipped.
        is_new: Whether the service certainly has nothing of it.
        files: Opens the files.
    """
    run, attempt = job.get("run_id"), job.get("attempt")
    if run is None or attempt is None:
        return []
    host = streams_host(job)
    metrics = f"metrics-{host}" if host else "metrics"
    streams: List[Stream] = [Stream((run, attempt, metrics), f"{folder}/metrics", is_new, files)]
    ranks = job.get("ranks") or [{"rank": 0}]
    alone = len(ranks) == 1 and not job.get("world")
    for rank in ranks:
        suffix = "" if alone else f"_process_{rank.get('rank', 0)}"
        log = f"user_logs/std_log{suffix}.txt"
        path = f"{folder}/std_log{suffix}.txt"
        streams.append(LogStream((run, attempt, f"log:{log}"), path, is_new, log_limit, files))
    return streams


def streams_host(job: Mapping[str, Any]) -> str:
    """The number of the gang's further host that has the job; empty for the first host."""
    prefix, _, host = str(job["name"]).rpartition(".")
    return host if prefix == f"{job['run_id']}-{job['attempt']}" else ""


class Stream:
    """Metric lines. Only whole lines are sent, because the last one may be incomplete.

    Args:
        key: Run, attempt and the service's name of the stream.
        path: The file; it may not exist yet.
        is_new: Whether the service certainly has nothing of it.
        files: Opens the file.
    """

    def __init__(self, key: StreamKey, path: str, is_new: bool, files: Files = PLAIN) -> None:
        self.key = key
        self.offset = 0
        self._path = path
        self._files = files
        self._is_new = is_new
        self._size = 0
        self._stalls = 0
        self._not_before = 0.0
        self._refused = False

    def chunk(self, final: bool) -> Optional[Tuple[Dict[str, Any], bytes]]:
        """The next header and bytes; None if there is nothing to send now.

        Args:
            final: Whether the job has ended. Then None means that all is sent.

        Raises:
            OSError: The file cannot be read.
        """
        if self._refused or (self._not_before > time.monotonic() and not final):
            return None
        try:
            size = self._files.size(self._path)
        except FileNotFoundError:
            return None
        if size <= self.offset and (self._is_new or size == 0):
            return None
        data = self._read_next(size, final) if self._is_new else b""
        if self._is_new and not data:
            return None
        run, attempt, stream = self.key
        return {"run": run, "attempt": attempt, "stream": stream, "offset": self.offset}, data

    def acknowledged(self, held: int, sent: bytes) -> None:
        """Apply the service's answer to a chunk.

        Args:
            held: The offset up to which the service holds the stream.
            sent: The bytes that were sent at the current offset.
        """
        if self._is_new and sent and held <= self.offset:
            self._stalls += 1
            self._not_before = time.monotonic() + 0.5 * self._stalls
            self._refused = (
                self._stalls >= _TRIES
            )  # the service accepts no more of an older attempt
        else:
            self._stalls = 0
        self._is_new = True
        self.offset = held

    def refuse(self) -> None:
        """Give the stream up: the service refuses it."""
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
    """A log: its first bytes up to a limit, and at the job's end a mark and its last bytes.

    The blocks in between are freed while the log grows, where the file system can do that.
    """

    def __init__(
        self, key: StreamKey, path: str, is_new: bool, limit: int, files: Files = PLAIN
    ) -> None:
        super().__init__(key, path, is_new, files)
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
        """The part after the limit: the mark, then the last bytes."""
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
