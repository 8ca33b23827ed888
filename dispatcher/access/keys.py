"""The signing key of an installation: a file in the data folder, or the environment.

The key is never in the database, so a copy of the database gives no token away. The database keeps
a hash of it: services that share a database must share the key, or the tokens that one issues would
be refused by the others.
"""

import hashlib
import logging
import os
import secrets
from pathlib import Path

from dispatcher.core.errors import DispatcherError
from dispatcher.store.content.disk import sync_folder
from dispatcher.store.contract import Store, Transaction

log = logging.getLogger(__name__)
FILE = "signing.key"
MIN_CHARACTERS = 32
FINGERPRINT, _EARLIER = "signing_key_sha256", "secret"


class WrongKey(DispatcherError):
    """The signing key is not that of the database, or is not a key."""


def signing_key(data: Path, store: Store, configured: str) -> bytes:
    """Return the key, and make one at the first start.

    A key that an earlier release kept in the database is moved into the file: the tokens of live
    runs stay valid. It is removed from the database once the file is on the disk. Until then no
    other key is taken.

    Args:
        data: The data folder.
        store: The database.
        configured: The key from the environment (`DISPATCHER_SIGNING_KEY`), or nothing.

    Raises:
        WrongKey: The database was used with another key, or the key is too short.
    """
    earlier = store.read(lambda tx: tx.registry.find_meta(_EARLIER))
    if configured:
        text = configured
    else:
        text = _read(data / FILE) or _create(data / FILE, earlier or secrets.token_hex(32))
    source = "DISPATCHER_SIGNING_KEY" if configured else str(data / FILE)
    if len(text) < MIN_CHARACTERS:
        raise WrongKey(f"{source}: {len(text)} characters; a key has at least {MIN_CHARACTERS}")
    if earlier is not None and text != earlier:
        raise WrongKey(
            f"{source}: not the key that an earlier release keeps in this database; the tokens of "
            "live runs would become invalid. First start one service without "
            f"DISPATCHER_SIGNING_KEY and without {data / FILE}: it writes that key there. Then "
            "give all services the text of that file"
        )
    fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def work(tx: Transaction) -> str:
        tx.registry.delete_meta(_EARLIER)
        return tx.registry.meta(FINGERPRINT, fingerprint)

    if store.write(work) != fingerprint:
        raise WrongKey(
            "the tokens of this database are signed with another key: give all services of a "
            f"database the same DISPATCHER_SIGNING_KEY, or the same {data / FILE}"
        )
    if earlier is not None:
        log.info("the signing key was moved from the database into %s", data / FILE)
    return _bytes_of(text)


def _bytes_of(text: str) -> bytes:
    """Keys that were made here are hexadecimal; others are taken as they are."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode()


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    with open(descriptor, encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        return file.read().strip()


def _create(path: Path, text: str) -> str:
    """Write the key where no file is; it is on the disk on return."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # fails if another process has made one meanwhile
    except FileExistsError:
        return _read(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
    return text
