"""The output files of a job in its working directory: `outputs`, and the watched folders.

`outputs` is uploaded as files when the job has ended. Each file of a watched folder (`logs`) is
shipped as a log while the job lives: by offset, so each byte is sent once. A file that a log cannot
represent (rewritten, too long, beyond the maximum number) is uploaded as a file at the end as well.

Only regular files are read, because a script may put anything there. A link to what lies in the
working directory counts as that, also one to a folder; `outputs` itself may be a link to a folder
anywhere. What is not kept is named in the warnings.
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
READ_EVERY = 1.0
MAX_NAME_LENGTH = 1024
_MAX_LOGS = 200
_MAX_DEPTH = 32
_MAX_WARNINGS = 20
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_ODD = re.compile(r"[\x00-\x1f\x7f\\]|(?<=^[A-Za-z]):")


class JobOutputs:
    """The files of one job.

    Args:
        job: The job.
        folder: Its folder.
        log_limit: The number of bytes of each log that is shipped.
        is_new: Whether the service certainly has nothing of the job.
        files: Opens and lists the files.
    """

    def __init__(
        self, job: Mapping[str, Any], folder: str, log_limit: int, is_new: bool, files: Files
    ) -> None:
        self.name: str = job["name"]
        self.run_id: str = job["run_id"]
        self.attempt: int = job["attempt"]
        self.host = streams_host(job)
        self._work = f"{folder}/work"
        self._outputs = [OUTPUTS] if job.get("outputs", True) else []
        watch = job.get("watch")
        self._watch = ["logs"] if watch is None else list(watch)
        self._log_limit, self._is_new = log_limit, is_new
        self._files = files
        self._logs: Dict[str, WatchedLog] = {}
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._are_too_many = False
        self._losses: Dict[str, str] = {}

    def new_logs(self, final: bool) -> List[Stream]:
        """Logs that appeared since the last look. It looks once a second, and at the end."""
        with self._lock:  # the shipper calls it, and the caller of `finish`
            now = time.monotonic()
            if not self._watch or (now < self._look_at and not final):
                return []
            self._look_at = now + READ_EVERY
            return self._discovered_logs()

    def _discovered_logs(self) -> List[Stream]:
        streams: List[Stream] = []
        for name, path in self._below(self._watch):
            name = self._of_host(name)
            if path in self._logs:
                continue
            if len(self._logs) >= _MAX_LOGS:
                self._are_too_many = True
                break
            key: StreamKey = (self.run_id, self.attempt, f"log:{name}")
            log = WatchedLog(key, path, self._is_new, self._log_limit, self._files)
            self._logs[path] = log
            streams.append(log)
        return streams

    def has_files(self) -> bool:
        """Whether there may be files to upload, now that the job has ended."""
        return (
            self._are_too_many
            or any(self._has_outputs(f"{self._work}/{name}") for name in self._outputs)
            or any(not log.is_whole() for log in list(self._logs.values()))
        )

    def _has_outputs(self, path: str) -> bool:
        """Whether there is something in the folder, or something else in its place."""
        if os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
            return True
        return bool(self._files.entries(path))

    def warn(self, name: str, reason: str) -> None:
        """Note that a file is not kept."""
        self._losses.setdefault(name, reason)

    @property
    def warnings(self) -> List[str]:
        """What is not kept, and why."""
        losses = list(self._losses.items())
        lines = [f"{name} is not kept: {reason}" for name, reason in losses[:_MAX_WARNINGS]]
        if len(losses) > _MAX_WARNINGS:
            lines.append(f"{len(losses) - _MAX_WARNINGS} further files are not kept")
        return lines

    def files(self) -> Iterator[OutputFile]:
        """The files to upload, now that the job has ended."""
        yield from self._below(self._outputs)
        for name, path in self._below(self._watch):
            log = self._logs.get(path)
            if log is None or not log.is_whole():
                yield name, path

    def open(self, path: str) -> int:
        """Open an output file. Raises OSError."""
        descriptor = self._files.open(path, _OPEN_FLAGS)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is not a regular file")
        return descriptor

    def other_name(self, name: str) -> str:
        """The name of a file of a further host of a gang whose name is taken by another host."""
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
            behind = self._files.behind_link(root)
            if not os.path.isdir(behind) or (behind == root and os.path.islink(root)):
                if os.path.lexists(root):
                    self.warn(clean, "it is no folder" if behind == root else "its link is broken")
                continue
            yield from self._walk(clean, (behind,))

    def _walk(self, name: str, folders: Tuple[str, ...]) -> Iterator[OutputFile]:
        """The files below the last of these folders; each one was reached from that before it."""
        path = folders[-1]
        for entry, kind in sorted(self._files.entries(path)):
            entry_name, entry_path = f"{name}/{readable(entry)}", f"{path}/{entry}"
            if kind == "link":
                kind, entry_path = self._behind(entry_name, entry_path, folders)
            if kind == "folder" and len(folders) > _MAX_DEPTH:
                self.warn(entry_name, f"it is deeper than {_MAX_DEPTH} folders")
            elif kind == "folder":
                yield from self._walk(entry_name, (*folders, entry_path))
            elif kind == "file":
                yield entry_name, entry_path
            elif kind == "other":
                self.warn(entry_name, "it is neither a file nor a folder nor a link")

    def _behind(self, name: str, link: str, folders: Tuple[str, ...]) -> Tuple[str, str]:
        """Kind and path of what a link leads to; the kind is empty if it is not followed."""
        real = os.path.realpath(link)
        inside = [root for root in (folders[0], self._work) if _is_in(real, os.path.realpath(root))]
        if not os.path.exists(real):
            self.warn(name, "its link is broken")
        elif not inside:
            self.warn(name, f"it is a link out of the run's folders, to {readable(real)}")
        elif os.path.isfile(real):
            return "file", inside[0] + real[len(os.path.realpath(inside[0])) :]
        elif any(_is_in(os.path.realpath(folder), real) for folder in folders):
            self.warn(name, "it is a link to a folder that it lies in")
        elif os.path.isdir(real):
            return "folder", inside[0] + real[len(os.path.realpath(inside[0])) :]
        else:
            return "other", real
        return "", real


class WatchedLog(LogStream):
    """A file in a watched folder.

    It belongs to the script, so its blocks are never freed. Once its content differs from what was
    sent, no more of it is sent.
    """

    def __init__(self, key: StreamKey, path: str, is_new: bool, limit: int, files: Files) -> None:
        super().__init__(key, path, is_new, limit, files)
        self._identity = files.identity(path)

    def is_whole(self) -> bool:
        """Whether the log holds the whole file as it is."""
        try:
            size = self._files.size(self._path)
        except OSError:
            return True  # the file was deleted; the sent log stays
        return size <= self._limit and not self._is_another(size)

    def _is_another(self, size: int) -> bool:
        return size < self.offset or self._files.identity(self._path) != self._identity

    def _read_next(self, size: int, final: bool) -> bytes:
        return b"" if self._is_another(size) else super()._read_next(size, final)

    def _punch(self, size: int) -> None:
        pass


def _is_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def readable(name: str) -> str:
    """A name that every system accepts: bytes that are not UTF-8, or special, become %XX."""
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    escaped = re.sub(r"[\udc80-\udcff]", lambda m: f"%{ord(m[0]) - 0xDC00:02X}", text)
    return _ODD.sub(lambda m: "".join(f"%{ord(c):02X}" for c in m[0]), escaped)
