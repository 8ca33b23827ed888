"""Learning from PostgreSQL that another process has committed events."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from dispatcher.store.events.sql import CHANNEL

log = logging.getLogger(__name__)
LOOK_EVERY = 1.0  # seconds; a notification that was lost delays news by as much
RETRY_AFTER = 1.0  # seconds before a lost connection is opened again


class NotificationListener:
    """A thread with a connection of its own that LISTENs, and calls `wake` on news.

    It calls `wake` every second too, so nothing depends on a notification.
    """

    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._wake = wake
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5 * LOOK_EVERY)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except DBAPIError as error:
                log.warning("no notifications from the database: %s", error.orig)
            except Exception:
                log.exception("the listener starts over")
            self._wake()
            self._closing.wait(RETRY_AFTER)

    def _listen(self) -> None:
        with self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            driver: Any = connection.connection.driver_connection
            while not self._closing.is_set():
                for _ in driver.notifies(timeout=LOOK_EVERY, stop_after=1):
                    pass
                self._wake()
