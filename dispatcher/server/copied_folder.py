"""Makes a copied data folder an installation of its own.

A copy has the ids, keys and addresses of the original, and its runs that have not ended are those
of the original. So the copy gets new ones, and such runs end here; in the original they go on.
"""

import logging
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from dispatcher.access.keys import FILE as SIGNING_KEY
from dispatcher.access.keys import FINGERPRINT
from dispatcher.core.runs.lifecycle import TERMINAL, Failed, Run, Status, step
from dispatcher.server.data_folder import Provenance
from dispatcher.server.instance import RECORD as INSTANCE
from dispatcher.server.settings import Settings
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.runs.contract import Change, RunQuery, cursor_of

log = logging.getLogger(__name__)
_ADDRESSES = ("token", "port", "service.json", "sockets.json", INSTANCE)
_PAGE = 500
_NODES = "nodes"


def forget_original(settings: Settings, provenance: Provenance) -> None:
    """Delete what in a copied folder leads to the original: addresses, keys, jobs of its nodes."""
    log.warning(
        "%s is a copy of %s: it becomes a workspace of its own",
        settings.data_dir,
        provenance.copied_from,
    )
    names = _ADDRESSES if settings.shared else (*_ADDRESSES, SIGNING_KEY)
    for name in names:
        (settings.data_dir / name).unlink(missing_ok=True)
    nodes = settings.data_dir / _NODES
    if nodes.exists():
        nodes.rename(settings.data_dir / f"{_NODES}.copied-{uuid.uuid4().hex[:8]}")


def delete_copied_nodes(data: Path) -> None:
    """Delete, in the background, what `forget_original` has put aside."""
    for folder in data.glob(f"{_NODES}.copied-*"):
        threading.Thread(
            target=shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, daemon=True
        ).start()


def make_own(store: Store, copied_from: str, now: float) -> None:
    """Give a copied database an id of its own, and end the runs that go on in the original."""

    def renew(tx: Transaction) -> None:
        tx.registry.delete_meta(FINGERPRINT)
        tx.registry.put_meta("service_id", uuid.uuid4().hex)

    store.write(renew)
    text = (
        f"This workspace is a copy of {copied_from}, made while the run had not ended. The run "
        "goes on there, and ended here."
    )
    error = {"error": {"code": "WorkspaceCopied", "message": text}}
    for runs in _open_runs(store):
        event = Failed(now, error)
        changes = [Change(run, step(run, event), (event,), now) for run in runs]
        store.write(lambda tx, changes=changes: tx.runs.save(changes))  # type: ignore[misc]


def _open_runs(store: Store) -> Iterator[list[Run]]:
    """All runs that have not ended, in pages."""
    for status in Status:
        if status in TERMINAL:
            continue
        query = RunQuery(status=status.value, limit=_PAGE)
        while runs := store.read(lambda tx, query=query: tx.runs.query(query)):  # type: ignore[misc]
            yield runs
            query = RunQuery(status=status.value, limit=_PAGE, after=cursor_of(runs[-1]))
