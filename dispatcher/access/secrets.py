"""Secrets of users, which runs and targets refer to by name.

A secret is kept in a file of mode 0600 in the data folder, or in an environment variable of the
service. What refers to it holds `secret://<name>`: the specification of a run, the configuration of
a target, logs and lists hold only that. The value is put in place when a job is started or a target
is reached.

Whoever may submit runs may use every secret of the workspace.
"""

import json
import os
import re
import secrets as random
import threading
from collections.abc import Mapping
from pathlib import Path

from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.store.content.disk import room, sync_folder

FILE = "secrets.json"
PREFIX = "secret://"
VARIABLE = "DISPATCHER_SECRET_"
MAX_VALUE = 16 * 1024  # characters
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,127}")


class SecretNotFound(NotFound):
    """There is no secret of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no secret {name!r}: set it with `dispatcher secret set {name}`, or as the "
            f"environment variable {variable(name)} of the service"
        )


def is_reference(text: str) -> bool:
    """Whether a text stands for a secret."""
    return text.startswith(PREFIX)


def variable(name: str) -> str:
    """The environment variable that may hold a secret: `DISPATCHER_SECRET_API_KEY`."""
    return VARIABLE + re.sub(r"[^A-Z0-9]", "_", name.upper())


class SecretStore:
    """The secrets of a workspace. Thread-safe.

    Args:
        data: The data folder.
        environment: The service's environment variables; what they hold counts before the file.
    """

    def __init__(self, data: Path, environment: Mapping[str, str]) -> None:
        self._path = data / FILE
        self._environment = environment
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The names of the secrets in the file, in order."""
        return sorted(self._read())

    def set(self, name: str, value: str) -> None:
        """Keep a secret, in place of what it was. Raises InvalidSpec, StorageFull."""
        check_name(name)
        if not 0 < len(value) <= MAX_VALUE or "\0" in value:
            raise InvalidSpec(
                f"value of secret {name!r}: {len(value)} characters; 1 to {MAX_VALUE}, without NUL"
            )
        with self._lock:
            self._write({**self._read(), name: value})

    def remove(self, name: str) -> None:
        """Forget a secret; runs that refer to it fail when they start. Raises SecretNotFound."""
        with self._lock:
            kept = self._read()
            if kept.pop(name, None) is None:
                raise SecretNotFound(name)
            self._write(kept)

    def require(self, reference: str) -> None:
        """Raise SecretNotFound unless the secret that a text stands for is there."""
        self.resolve(reference)

    def resolve(self, text: str) -> str:
        """The value that a text stands for, or the text itself. Raises SecretNotFound."""
        if not is_reference(text):
            return text
        name = text.removeprefix(PREFIX)
        value = self._environment.get(variable(name)) or self._read().get(name)
        if value is None:
            raise SecretNotFound(name)
        return value

    def _read(self) -> dict[str, str]:
        try:
            kept: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
            return kept
        except FileNotFoundError:
            return {}

    def _write(self, kept: Mapping[str, str]) -> None:
        part = self._path.with_name(f"{FILE}.{random.token_hex(4)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with (
                room(part.parent),
                open(os.open(part, flags, 0o600), "w", encoding="utf-8") as file,
            ):
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(self._path.parent)


def check_name(name: str) -> None:
    """Raise InvalidSpec for a name that a secret cannot have."""
    if not _NAME.fullmatch(name):
        raise InvalidSpec(
            f"secret {name[:200]!r}: a letter, then at most 127 letters, digits, '_', '.' or '-'"
        )
