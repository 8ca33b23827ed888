"""Docker's event stream: reports changes before the next poll.

The engine keeps few past events, and none over a restart. So after each connection a report without
an event says that anything may have changed.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError

from targets.base import TargetUnavailable
from targets.docker.engine import DockerEngine

EVENTS = ["start", "die", "destroy"]
FIRST_PAUSE, MAX_PAUSE = 0.2, 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContainerEvent:
    """An event (one of EVENTS) of a container, its time, and the exit code after `die`."""

    action: str
    name: str
    at: float
    exit_code: int | None = None


class EngineEvents:
    """A thread that calls `changed` with each event of a container.

    It calls with None when anything may have changed.
    """

    def __init__(
        self, engine: DockerEngine, label: str, changed: Callable[[ContainerEvent | None], None]
    ) -> None:
        self._engine = engine
        self._filters = {"type": "container", "label": label, "event": EVENTS}
        self._changed = changed
        self._closed = threading.Event()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._run, name="docker-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            with suppress(Exception):  # errors of a stream that is given up do not matter
                stream.close()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                self._follow()
                pause = FIRST_PAUSE
            except (TargetUnavailable, APIError) as error:
                log.debug("no events from %s: %s", self._engine.url, error)
                pause = min(pause * 2, MAX_PAUSE)
            except Exception:
                log.exception("events from %s", self._engine.url)
                pause = MAX_PAUSE
            self._closed.wait(pause)

    def _follow(self) -> None:
        with self._engine.calls() as api:
            self._stream = api.events(decode=True, filters=self._filters)
            self._changed(None)
            for event in self._stream:
                if self._closed.is_set():
                    return
                happening = _read(event)
                if happening is not None:
                    self._changed(happening)


def _read(event: Mapping[str, Any]) -> ContainerEvent | None:
    facts = event.get("Actor", {}).get("Attributes", {})
    if not facts.get("name"):
        return None
    code = facts.get("exitCode")
    at = float(event.get("timeNano") or 0) / 1e9
    return ContainerEvent(str(event.get("Action")), facts["name"], at, int(code) if code else None)
