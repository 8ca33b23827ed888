"""Records a decision in one commit; what cannot be stored is told run by run."""

import logging
from collections.abc import Sequence

from dispatcher.core.errors import StoreUnavailable
from dispatcher.engine.moves import Move, Recorded
from dispatcher.services.status import Fence, Fenced, StatusService
from dispatcher.store.runs.contract import Change

log = logging.getLogger(__name__)


def record(
    status: StatusService, moves: Sequence[Move], fence: Fence | None, now: float
) -> Recorded:
    """Commit the moves. One that makes the commit fail is refused, and the others are committed.

    Raises:
        Fenced: Another engine leads.
        StoreUnavailable: The store cannot be reached; it is not known what was committed.
    """
    if not moves:
        return Recorded(())
    try:
        return _commit(status, moves, fence, now)
    except (Fenced, StoreUnavailable):
        raise
    except Exception as error:
        if len(moves) == 1:
            reason = f"it cannot be recorded: {type(error).__name__}: {error}"
            return Recorded((), (), {moves[0].after.id: reason})
        log.warning("a commit of %d moves fails, they are tried in halves: %s", len(moves), error)
        middle = len(moves) // 2
        return _joined(
            record(status, moves[:middle], fence, now), record(status, moves[middle:], fence, now)
        )


def _commit(
    status: StatusService, moves: Sequence[Move], fence: Fence | None, now: float
) -> Recorded:
    changes = [Change(move.before, move.after, move.events, now) for move in moves]
    stale = status.record_all(changes, fence)
    return Recorded(
        [move for move in moves if move.after.id not in stale],
        [move for move in moves if move.after.id in stale],
    )


def _joined(one: Recorded, two: Recorded) -> Recorded:
    return Recorded(
        [*one.accepted, *two.accepted], [*one.stale, *two.stale], {**one.refused, **two.refused}
    )
