"""How the loops of the engine stay alive: a supervisor logs each failure and restarts the loop."""

import logging
import threading
from collections.abc import Callable

from dispatcher.core.errors import DispatcherError
from dispatcher.services.status import Fenced

PAUSE = 0.5  # seconds before a loop is started again


def supervise(
    name: str, lead: Callable[[], None], stopping: threading.Event, log: logging.Logger
) -> None:
    """Call `lead` until `stopping` is set. It returns when its leadership ends."""
    while not stopping.is_set():
        try:
            lead()
        except Fenced:
            log.warning("another process has taken over the %s", name)
        except DispatcherError:
            log.warning("the %s restarts", name, exc_info=True)
        except Exception:
            log.exception("the %s restarts", name)
        stopping.wait(PAUSE)
