"""Which of several service instances on one database may lead: drive the runs.

Local jobs and containers leave their folders with the instance that started them. Another instance
would find nothing there, take the jobs for lost and start them again. So one instance owns the
database, and as long as it has such targets, the others only answer calls. What Ray's launchers
keep is visible to every instance: with Ray targets alone, any of them takes over from one that is
gone.
"""

import secrets
import socket
from collections.abc import Callable

from dispatcher.server.settings import Settings
from dispatcher.store.contract import Store, Transaction

# The name of the record in the database and of the file in the data folder; databases have it.
RECORD = "home"
VISIBLE_TO_ALL = ("ray",)


def leader_eligibility(store: Store, settings: Settings) -> Callable[[Transaction], str]:
    """Make this instance the owner of the database, if there is none or if it is to take over.

    Returns:
        A check that says why this instance must not lead; empty when it may.
    """
    if not settings.shared:
        return lambda _tx: ""
    own_name = instance_name(settings)
    if settings.take_over:
        store.write(lambda tx: tx.registry.put_meta(RECORD, own_name))

    def reason(tx: Transaction) -> str:
        owner = tx.registry.meta(RECORD, own_name)
        bound = [
            name
            for name, config in tx.registry.targets().items()
            if config.get("kind") not in VISIBLE_TO_ALL
        ]
        if owner == own_name or not bound:
            return ""
        return (
            f"the jobs of {', '.join(bound)} are with the service at {owner}. If that is gone for "
            "good, start this one with DISPATCHER_TAKE_OVER=1: its jobs then count as lost"
        )

    return reason


def instance_name(settings: Settings) -> str:
    """The name of the instance that owns the data folder; made once."""
    path = settings.data_dir / RECORD
    if not path.exists():
        name = f"{socket.gethostname()}:{settings.data_dir} ({secrets.token_hex(4)})"
        part = path.with_suffix(".new")
        part.write_text(name)
        part.replace(path)
    return path.read_text()
