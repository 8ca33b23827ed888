"""What a job leaves behind in its working directory: its outputs, and the folders that are watched.

`outputs` is kept as files when the job has ended. A watched folder (`logs`) is followed while the
job lives, each file as a log: that goes by offset, so what is sent is never sent again, and a file
that grows costs its length once. A file that a log cannot hold as it is (rewritten, too long, one
too many) is kept as a file at the end as well.

No link is followed out of the folder it lies in, and only regular files are read: what a script
leaves may be anything.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time

from dispatcher.agent.shipping.streams import LogStream, streams_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Mapping, Tuple

    from dispatcher.agent.shipping.streams import Files, Stream, StreamKey

    OutputFile = Tuple[str, str]  # name at the run, path

OUTPUTS = "outputs"
LOOK_EVERY = 1.0
LONGEST_NAME = 1024
_MOST_LOGS = 200
_DEEPEST = 32
_CAREFULLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_ODD = re.compile(r"[\x00-\x1f\x7f\\]|(?<=^[A-Za-z]):")


class JobOutputs:
    """The files of one job.

    Args:
        job: The job.
        folder: Its folder.
        log_limit: How many bytes of each log the service gets.
        known: Whether the service holds nothing of it yet, for sure.
        files: How they are looked at.
    """

    def __init__(
        self, job: Mapping[str, Any], folder: str, log_limit: int, known: bool, files: Files
    ) -> None:
        self.name: str = job["name"]
        self.run_id: str = job["run_id"]
        self.attempt: int = job["attempt"]
        self.host = streams_host(job)
        self._work = f"{folder}/work"
        self._outputs = [OUTPUTS] if job.get("outputs", True) else []
        watch = job.get("watch")
        self._watch = ["logs"] if watch is None else list(watch)
        self._log_limit, self._known = log_limit, known
        self._files = files
        self._logs: Dict[str, WatchedLog] = {}
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._are_too_many = False

    def new_logs(self, final: bool) -> List[Stream]:
        """Logs that have come since the last look; it looks once a second, and at the end."""
        with self._lock:  # the shipper looks, and whoever hears of the end
            now = time.monotonic()
            if not self._watch or (now < self._look_at and not final):
                return []
            self._look_at = now + LOOK_EVERY
            return self._found_logs()

    def _found_logs(self) -> List[Stream]:
        found: List[Stream] = []
        for name, path in self._below(self._watch):
            name = self._of_host(name)
            if path in self._logs:
                continue
            if len(self._logs) >= _MOST_LOGS:
                self._are_too_many = True
                break
            key: StreamKey = (self.run_id, self.attempt, f"log:{name}")
            log = WatchedLog(key, path, self._known, self._log_limit, self._files)
            self._logs[path] = log
            found.append(log)
        return found

    def has_files(self) -> bool:
        """Whether there may be something to keep, now that the job has ended."""
        return (
            self._are_too_many
            or any(self._files.entries(f"{self._work}/{name}") for name in self._outputs)
            or any(not log.is_whole() for log in list(self._logs.values()))
        )

    def files(self) -> Iterator[OutputFile]:
        """What is to be kept, now that the job has ended."""
        yield from self._below(self._outputs)
        for name, path in self._below(self._watch):
            log = self._logs.get(path)
            if log is None or not log.is_whole():
                yield name, path

    def open(self, path: str) -> int:
        """A descriptor of a file that was found. Raises OSError."""
        descriptor = self._files.open(path, _CAREFULLY)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is no regular file")
        return descriptor

    def other_name(self, name: str) -> str:
        """Where a file of a further host of a gang goes when another host has the name."""
        return self._of_host(name) if self.host else name

    def _of_host(self, name: str) -> str:
        if not self.host:
            return name
        first, _, rest = name.partition("/")
        return f"{first}/host_{self.host}/{rest}"

    def _below(self, folders: List[str]) -> Iterator[OutputFile]:
        for name in folders:
            clean = "/".join(part for part in name.split("/") if part not in ("", "."))
            root = f"{self._work}/{clean}"
            yield from self._walk(clean, root, root, _DEEPEST)

    def _walk(self, name: str, path: str, root: str, depth: int) -> Iterator[OutputFile]:
        for entry, kind in sorted(self._files.entries(path)):
            called, place = f"{name}/{readable(entry)}", f"{path}/{entry}"
            if kind == "folder" and depth:
                yield from self._walk(called, place, root, depth - 1)
            elif kind == "file":
                yield called, place
            elif kind == "link":  # to a file in the folder: that file; out of it: nothing
                real, top = os.path.realpath(place), os.path.realpath(root) + "/"
                if real.startswith(top) and os.path.isfile(real):
                    yield called, f"{root}/{real[len(top) :]}"


class WatchedLog(LogStream):
    """A file in a watched folder. It belongs to the script: nothing of it is given back to the
    disk, and once it is not what was sent any more, nothing more is sent.
    """

    def __init__(self, key: StreamKey, path: str, known: bool, limit: int, files: Files) -> None:
        super().__init__(key, path, known, limit, files)
        self._identity = files.identity(path)

    def is_whole(self) -> bool:
        """Whether the log is the file: all of it, as it was written."""
        try:
            size = self._files.size(self._path)
        except OSError:
            return True  # it is gone: the log is all there is
        return size <= self._limit and not self._is_another(size)

    def _is_another(self, size: int) -> bool:
        return size < self.offset or self._files.identity(self._path) != self._identity

    def _read_next(self, size: int, final: bool) -> bytes:
        return b"" if self._is_another(size) else super()._read_next(size, final)

    def _punch(self, size: int) -> None:
        pass


def readable(name: str) -> str:
    """A name that every system can have: what is no UTF-8, or odd, as %XX."""
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    made = re.sub(r"[\udc80-\udcff]", lambda m: f"%{ord(m[0]) - 0xDC00:02X}", text)
    return _ODD.sub(lambda m: "".join(f"%{ord(c):02X}" for c in m[0]), made)
