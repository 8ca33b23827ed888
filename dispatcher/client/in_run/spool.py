"""The run's own spool: metric lines appended to a file, which the node's shim ships.

Logging is one `write` and never waits for the service. A full disk must not end a training script:
the first line that cannot be written is reported on stderr, and the script continues.
"""

from __future__ import annotations

import os

from dispatcher.client.in_run.job_folder import job_folder
from dispatcher.wire.file_identity import file_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

    from dispatcher.client.api.connection import ApiConnection

_CHUNK = 1 << 20
_LAST_STANDARD_STREAM = 2


class Spool:
    """The spool of one attempt of a run.

    Args:
        folder: The job's folder; the file is `<folder>/metrics`.
        run_id: The run.
        attempt: Its attempt.
        stream: The stream's name at the service.
    """

    def __init__(self, folder: str, run_id: str, attempt: int, stream: str = "metrics") -> None:
        self.folder = folder
        self._run_id = run_id
        self._attempt = attempt
        self._stream = stream
        self._descriptor = -1
        self._file: Optional[Tuple[int, int]] = None
        self._told = False
        self._shipped = 0

    def append(self, line: str) -> None:
        """Append one line with a single write."""
        try:
            os.write(self._open(), line.encode())
        except OSError as error:
            self._tell(error)

    def is_empty(self) -> bool:
        """Whether nothing was ever appended."""
        return not os.path.exists(self._find())

    def find_folder(self) -> str:
        """The job's folder as it is now: the workspace may have been moved.

        It is made if only it is missing, and nothing above it.
        """
        if not os.path.isdir(self.folder):
            self.folder = job_folder() or self.folder
            if not os.path.isdir(self.folder):
                os.mkdir(self.folder)
        return self.folder

    def ship(self, transport: ApiConnection) -> None:
        """Bring the service up to the file's end, from where it says that it is.

        The agent ships the same bytes under the same offsets; the order does not matter.
        """
        from dispatcher.wire.encoding import frames

        end = os.stat(self._find()).st_size
        while self._shipped < end:
            data = self._read(self._shipped)
            if not data:
                return
            header = {
                "run": self._run_id,
                "attempt": self._attempt,
                "stream": self._stream,
                "offset": self._shipped,
            }
            answer = transport.post_frames("/spool", frames([(header, data)]))
            held = int(answer["acks"][0]["offset"])
            if held == self._shipped:
                return  # the service takes no more of it (an older attempt): let it be
            self._shipped = held

    def _open(self) -> int:
        """The file's descriptor, which a script may have closed, as daemons close all they have.

        Then the number may be that of a file of the script, or of its output.
        """
        if self._file is None or file_id(self._descriptor) != self._file:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self.find_folder()
            descriptor = os.open(self._find(), flags, 0o644)
            if descriptor <= _LAST_STANDARD_STREAM:
                import fcntl  # rarely needed

                low = descriptor
                descriptor = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _LAST_STANDARD_STREAM + 1)
                os.close(low)
            self._descriptor, self._file = descriptor, file_id(descriptor)
        return self._descriptor

    def _find(self) -> str:
        """The path of the file; the folder is looked for anew if it is not there."""
        if not os.path.isdir(self.folder):
            self.folder = job_folder() or self.folder
        return os.path.join(self.folder, "metrics")

    def _read(self, offset: int) -> bytes:
        """Whole lines from the offset: another process may be writing the last one."""
        with open(self._find(), "rb") as file:
            file.seek(offset)
            data = file.read(_CHUNK)
            while data and b"\n" not in data[-_CHUNK:]:
                more = file.read(_CHUNK)
                if not more:
                    return b""
                data += more
        return data[: data.rfind(b"\n") + 1]

    def _tell(self, error: OSError) -> None:
        if not self._told:
            import sys

            self._told = True
            print(f"dispatcher: metrics are not kept: {self.folder}: {error}", file=sys.stderr)
