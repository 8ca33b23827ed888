"""Reading the log together with the runs that its events changed."""

from dispatcher.store.commits import Commit
from dispatcher.store.contract import Transaction
from dispatcher.store.events.contract import RUN_KIND


def read_commit(tx: Transaction, position: int, limit: int) -> Commit:
    """The next events after a position, and the runs that they changed, as they are now."""
    events = tx.events.after(position, limit)
    changed = {e.run_id for e in events if e.run_id is not None and e.kind.startswith(RUN_KIND)}
    return Commit(events, list(tx.runs.get(changed).values()) if changed else [])
