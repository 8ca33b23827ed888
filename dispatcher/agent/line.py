"""Jobs that were sent ahead of their turn: each starts when what runs here leaves it room.

Where runs are short, a slot would stand idle from one job's end until the service has heard of it
and sent the next. So the service sends a few ahead, with the CPUs that they have to share (`room`).
They start in the order in which they came, and only once started jobs leave them their CPUs. A job
that is sent once more without `room` starts at once: the service knows of room that is not seen
here, such as that of a parent that waits for its children.
"""

from __future__ import annotations

from collections import deque

from dispatcher.agent.lookout import CREATED, EXITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Dict

    from dispatcher.agent.book import Book, Entry


class Line:
    """Who waits for room here. Used by one thread.

    Args:
        book: The jobs.
        start: Starts one that has room now.
    """

    def __init__(self, book: Book, start: Callable[[Entry], None]) -> None:
        self._book = book
        self._start = start
        self._line: Deque[Entry] = deque()
        self._taking: Dict[str, Entry] = {}  # and may have ended since

    def adopt(self) -> None:
        """Count the jobs of the agents before this one."""
        self._taking = {e.name: e for e in self._book.entries() if e.state != EXITED}

    def takes(self, entry: Entry) -> None:
        """It has its CPUs from now on, until it has ended."""
        self._taking[entry.name] = entry

    def must_wait(self, entry: Entry) -> bool:
        """Whether there is no room for it yet, or others are before it; then it is in the line."""
        if entry.job.get("room") is None:
            return False
        is_first = not self._line or self._line[0] is entry
        if is_first and self._has_room(entry):
            return False
        if entry not in self._line:
            self._line.append(entry)
        return True

    def move_up(self) -> None:
        """Something has ended: start those that have room now."""
        while self._line:
            first = self._line[0]
            if self._waits(first):
                if not self._has_room(first):
                    return
                self._start(first)
            if self._line and self._line[0] is first:
                self._line.popleft()

    def _waits(self, entry: Entry) -> bool:
        is_known = self._book.get(entry.name) is entry
        return is_known and entry.state == CREATED and entry.key is None

    def _has_room(self, entry: Entry) -> bool:
        for name, one in list(self._taking.items()):
            if one.state == EXITED or self._book.get(name) is not one:
                del self._taking[name]
        taken = sum(_cpus(one) for name, one in self._taking.items() if name != entry.name)
        return not self._taking or taken + _cpus(entry) <= float(entry.job["room"])


def _cpus(entry: Entry) -> float:
    return float(entry.job.get("cpus") or 0)
