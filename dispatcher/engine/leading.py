"""How the loops of the engine stay alive: what goes wrong is told, and they begin anew."""

import logging
import threading
from collections.abc import Callable

from dispatcher.core.errors import DispatcherError
from dispatcher.services.status import Fenced

PAUSE = 0.5


def keep_leading(
    what: str, lead: Callable[[], None], stopping: threading.Event, log: logging.Logger
) -> None:
    """Call `lead` again and again until `stopping` is set; it returns when the lease is lost."""
    while not stopping.is_set():
        try:
            lead()
        except Fenced:
            log.warning("another engine has taken over")
        except DispatcherError:
            log.warning("the %s starts over", what, exc_info=True)
        except Exception:
            log.exception("the %s starts over", what)
        stopping.wait(PAUSE)
