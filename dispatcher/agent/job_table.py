"""The job table: the agent's jobs in memory, and the subscribers to their states."""

from __future__ import annotations

import logging
import threading

from dispatcher.agent.exit_records import refusal
from dispatcher.agent.folders import Root
from dispatcher.agent.job_state import ABSENT, ALIVE, CREATED, EXITED, REMOVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

    from dispatcher.agent.starting.start_method import ForkServerKey

    Observation = Dict[str, Any]

log = logging.getLogger(__name__)
REMOVED_RECORD = "its record was removed"


class JobEntry:
    """One job.

    Attributes:
        state: created, alive or exited, as observed; callers see an end once it is `published`.
        published: Whether the end is visible to callers: its telemetry is with the service, or the
            service could not be reached.
        key: The key of the fork server that has the job; None while it waits.
        forks: Whether the script starts by a fork.
        note: A warning for the exit record.
        preparing: Whether the job waits for an environment that is being built.
    """

    __slots__ = (
        "forks",
        "job",
        "key",
        "name",
        "note",
        "pid",
        "preparing",
        "published",
        "record",
        "started_at",
        "state",
    )

    def __init__(self, name: str, job: Mapping[str, Any]) -> None:
        self.name = name
        self.job = job
        self.state = CREATED
        self.started_at: Optional[float] = None
        self.pid: Optional[int] = None
        self.record: Optional[Dict[str, Any]] = None
        self.published = False
        self.key: Optional[ForkServerKey] = None
        self.forks = False
        self.note: Optional[str] = None
        self.preparing = False

    def observation(self) -> Observation:
        """The job as the protocol shows it."""
        ended = self.state == EXITED and self.published
        state = ALIVE if self.state == EXITED and not ended else self.state
        record = _observation(
            self.name, state, self.started_at, self.pid, self.record if ended else None
        )
        if self.preparing and state == CREATED:
            record["preparing"] = True
        return record


class JobTable:
    """All jobs, by name.

    Args:
        root: Holds the claims of jobs that are not in memory.
        lock: Held during every change.
    """

    def __init__(self, root: Root, lock: threading.RLock) -> None:
        self._root = root
        self._lock = lock
        self._entries: Dict[str, JobEntry] = {}
        self._listeners: List[Callable[[Observation], None]] = []

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def get(self, name: str) -> Optional[JobEntry]:
        """The job with a name; None if there is none."""
        return self._entries.get(name)

    def entries(self) -> List[JobEntry]:
        """All jobs at this moment."""
        with self._lock:
            return list(self._entries.values())

    def add(self, entry: JobEntry) -> None:
        """Add a job."""
        self._entries[entry.name] = entry

    def drop(self, name: str) -> None:
        """Forget a job."""
        self._entries.pop(name, None)

    def observe(self, name: str) -> Observation:
        """The job as the protocol shows it, also an unknown one."""
        entry = self._entries.get(name)
        if entry is not None:
            return entry.observation()
        if self._root.is_claimed(name):
            return _observation(name, REMOVED, None, None, refusal(REMOVED_RECORD))
        return _observation(name, ABSENT, None, None, None)

    def started(self, entry: JobEntry, pid: Optional[int], started_at: Optional[float]) -> None:
        """Note that a job has started."""
        with self._lock:
            news = entry.state == CREATED
            if entry.pid is None:
                entry.pid, entry.started_at = pid, started_at
            if news:
                entry.state = ALIVE
        if news:
            self._notify(entry)

    def mark_preparing(self, entry: JobEntry) -> None:
        """Note that a job waits for an environment that is being built."""
        with self._lock:
            news, entry.preparing = not entry.preparing, True
        if news:
            self._notify(entry)

    def ended(self, entry: JobEntry, record: Dict[str, Any]) -> bool:
        """Record how a job ended; False if its end was recorded. `publish` makes it visible."""
        with self._lock:
            if entry.state == EXITED:
                return False
            entry.state, entry.record = EXITED, record
            if entry.started_at is None:
                entry.started_at = record.get("started_at")
            return True

    def warn(self, name: str, warnings: List[str]) -> None:
        """Add warnings to the record of an ended job."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and entry.record is not None:
                known = entry.record.get("warnings") or []
                entry.record = {**entry.record, "warnings": [*known, *warnings]}

    def publish(self, name: str) -> None:
        """Make the end of a job visible, and notify the subscribers."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.published or entry.state != EXITED:
                return
            entry.published = True
        self._notify(entry)

    def withhold(self, name: str) -> None:
        """Hide the end of a job again until the next `publish`."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                entry.published = False

    def subscribe(self, callback: Callable[[Observation], None]) -> Callable[[], None]:
        """Call back with each new observation. Calling the returned function ends that."""
        self._listeners = [*self._listeners, callback]

        def end() -> None:
            self._listeners = [listener for listener in self._listeners if listener is not callback]

        return end

    def _notify(self, entry: JobEntry) -> None:
        for listener in self._listeners:
            try:
                listener(entry.observation())
            except Exception:
                log.exception("a subscriber failed", extra={"job": entry.name})


def _observation(
    name: str,
    state: str,
    started_at: Optional[float],
    pid: Optional[int],
    evidence: Optional[Dict[str, Any]],
) -> Observation:
    return {
        "name": name,
        "state": state,
        "started_at": started_at,
        "pid": pid,
        "evidence": evidence,
    }
