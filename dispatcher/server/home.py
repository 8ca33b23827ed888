"""Which of several services on one database drives the runs.

Local jobs and containers leave their folders with the service that started them. Another one would
find nothing there, take them for lost and start them again. So one service is the database's home,
and as long as it has such targets, the others only answer. What Ray's launchers keep is seen from
everywhere: with Ray targets alone, any service takes over from one that is gone.
"""

import secrets
import socket
from collections.abc import Callable

from dispatcher.server.settings import Settings
from dispatcher.store.contract import Store, Transaction

HOME = "home"
SEEN_FROM_EVERYWHERE = ("ray",)


def settle_in(store: Store, settings: Settings) -> Callable[[Transaction], str]:
    """Make this service the home, if there is none, or if it is to take over.

    Returns:
        What says why this service must not drive runs; nothing when it may.
    """
    if not settings.shared:
        return lambda _tx: ""
    mine = house(settings)
    if settings.take_over:
        store.write(lambda tx: tx.registry.put_meta(HOME, mine))

    def why_not(tx: Transaction) -> str:
        home = tx.registry.meta(HOME, mine)
        bound = [
            name
            for name, config in tx.registry.targets().items()
            if config.get("kind") not in SEEN_FROM_EVERYWHERE
        ]
        if home == mine or not bound:
            return ""
        return (
            f"the jobs of {', '.join(bound)} are with the service at {home}. If that is gone for "
            "good, start this one with DISPATCHER_TAKE_OVER=1: its jobs then count as lost"
        )

    return why_not


def house(settings: Settings) -> str:
    """Of this service's data folder, made once."""
    path = settings.data_dir / HOME
    if not path.exists():
        name = f"{socket.gethostname()}:{settings.data_dir} ({secrets.token_hex(4)})"
        making = path.with_suffix(".new")
        making.write_text(name)
        making.replace(path)
    return path.read_text()
