"""Parks the run around this code while it waits for other runs."""

from __future__ import annotations

import contextlib

from dispatcher.client.in_run import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Sequence

    from dispatcher.client.api.connection import ApiConnection


@contextlib.contextmanager
def parked(connection: ApiConnection, run_ids: Sequence[str]) -> Iterator[None]:
    """Park the run around this code for the time of the block, if it is the one that waits.

    Args:
        connection: The connection of the waiting code; another one than the run's own is the
            connection of another workspace.
        run_ids: What is waited for. A run that waits for itself is not parked.
    """
    around = context.current()
    if around is None or around.connection is not connection or list(run_ids) == [around.run_id]:
        yield
        return
    with around.parking.held(run_ids):
        yield
