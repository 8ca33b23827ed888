"""A run that waits for others holds no slot: it is parked while a thread of it waits.

Several threads may wait at once. The run is parked by the first that begins and taken back by the
last that ends. Each further one reports to the service what it waits for, so the service finds a
wait cycle whichever thread closes it.
"""

from __future__ import annotations

import contextlib
import threading

from dispatcher.client.api import runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Sequence

    from dispatcher.client.api.connection import ApiConnection

_UNPARK_SECONDS = 30


class Parking:
    """The parking of one submitted run, seen from inside it.

    Args:
        connection: The run's own connection, with the run's token.
        run_id: The run.
    """

    def __init__(self, connection: ApiConnection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id
        self._waits: List[Sequence[str]] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def held(self, run_ids: Sequence[str]) -> Iterator[None]:
        """Be parked for the time of the block, together with the other threads that wait.

        Raises:
            ExperimentExecutionException: The wait can never end; the text names the circle.
        """
        self._enter(run_ids)
        try:
            yield
        finally:
            self._leave(run_ids)

    def _enter(self, run_ids: Sequence[str]) -> None:
        from dispatcher.client.errors import ExperimentExecutionException, ServiceException

        with self._lock:
            waits = [*self._waits, run_ids]
            names = list(dict.fromkeys(name for ids in waits for name in ids))
            try:
                runs.park(self._connection, self._run_id, names)
            except ServiceException as error:
                if error.status_code != 409:
                    raise
                raise ExperimentExecutionException(error.message, inner_exception=error) from error
            self._waits = waits

    def _leave(self, run_ids: Sequence[str]) -> None:
        with self._lock:
            self._waits.remove(run_ids)
            if self._waits:
                return
            while runs.unpark(self._connection, self._run_id, _UNPARK_SECONDS)["parked"]:
                continue
