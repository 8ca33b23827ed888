"""The outside truth: what scripts did, in an append-only file that the service never sees.

Containers see no file of the host, so there a pipe stands in the folder of the service's socket,
and what comes through it is appended to the same file.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

Effect = tuple[str, int, str]  # run id, attempt, start | end


class Effects:
    """The file, and the place where scripts find it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        path.chmod(0o666)
        self._pump: threading.Thread | None = None

    def read(self) -> list[Effect]:
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return [(run, int(attempt), what) for run, attempt, what in lines]

    def count(self) -> Counter[Effect]:
        return Counter(self.read())

    def has(self, run_id: str, what: str) -> bool:
        return any(run == run_id and did == what for run, _, did in self.read())

    def starts(self, run_ids: Iterable[str]) -> Counter[tuple[str, int]]:
        wanted = set(run_ids)
        return Counter((r, a) for r, a, what in self.read() if what == "start" and r in wanted)

    def pipe(self, place: Path) -> None:
        """Take in what is written to a named pipe there; each write of a line is whole."""
        os.mkfifo(place)
        place.chmod(0o666)
        source = os.open(place, os.O_RDWR)  # read and write: it never ends when a writer goes
        sink = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._pump = threading.Thread(target=_pour, args=(source, sink), daemon=True)
        self._pump.start()


def _pour(source: int, sink: int) -> None:
    while True:
        os.write(sink, os.read(source, 65536))
