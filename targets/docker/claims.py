"""The claims of a Docker target: what became of every name that was ever launched or withdrawn.

A claim is why a name never starts twice. It is on disk before anything starts under it, outlives
container and folders, and stays for seven days. It also records facts that nothing else has later:
the job's pool container, its ranks, whether its outputs are kept, and which folders are watched.

    <state>/claims/<job name>            a symbolic link to nowhere, whose text is the claim
    <state>/claim-details/<job name>     the same, where it is too long for a link

Creating a link is atomic and exclusive, and one sync of the folder makes any number of links
durable. Files would need a sync each.
"""

import json
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dispatcher.agent.folders import sync_folder, write_bytes
from dispatcher.core.runs.jobs import attempt_of
from dispatcher.wire.jobs import Job

KEPT_SECONDS = 7 * 86400
_MAX_LINK_BYTES = 3000  # bytes; file systems take 4095 at most
_IN_DETAILS = "details"


class ClaimState(StrEnum):
    """The state of a claimed name."""

    LAUNCHED = "launched"
    STOPPED = "stopped"  # launched, and ended on request: its end is not a loss
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"  # its end is known, and its folders may be deleted


@dataclass(frozen=True)
class ClaimRecord:
    """A claim. `container` is the pool container that has the job, if one has it."""

    claim: ClaimState = ClaimState.LAUNCHED
    container: str | None = None
    ranks: tuple[int, ...] = (0,)
    alone: bool = True
    outputs: bool = True
    watch: tuple[str, ...] = ("logs",)

    def facts(self, name: str) -> dict[str, Any]:
        """The fields of the job that its telemetry needs (`dispatcher.agent.shipping.streams`)."""
        run, attempt = attempt_of(name) or ("", None)
        return {
            "name": name,
            "run_id": run,
            "attempt": attempt,
            "ranks": [{"rank": rank} for rank in self.ranks],
            "world": None if self.alone else {"size": len(self.ranks)},
            "outputs": self.outputs,
            "watch": list(self.watch),
        }


def claim_record(job: Job, container: str | None = None) -> ClaimRecord:
    """The claim of a launch of the job."""
    ranks = tuple(rank.rank for rank in job.ranks)
    alone = len(ranks) == 1 and job.world is None
    return ClaimRecord(ClaimState.LAUNCHED, container, ranks, alone, job.outputs, tuple(job.watch))


class Claims:
    """All claims of one target. A change is on disk when the call returns.

    With `durable=False` a power cut may undo it until `sync` is called.
    """

    def __init__(self, state: Path, is_kept: Callable[[str], bool]) -> None:
        """`is_kept` returns whether the claim of a name is needed, however old it is."""
        self._folder = state / "claims"
        self._details = state / "claim-details"
        for folder in (self._folder, self._details):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old(is_kept)

    def get(self, name: str) -> ClaimRecord | None:
        """The record of a name; None if it was never claimed.

        Raises OSError if the details of a long claim cannot be read.
        """
        try:
            text = os.readlink(self._folder / name)
        except FileNotFoundError:
            return None
        if text == _IN_DETAILS:
            text = (self._details / name).read_text()
        return _decoded(text)

    def claim(self, name: str) -> ClaimState | None:
        """The state of a name; None if it was never claimed."""
        record = self.get(name)
        return None if record is None else record.claim

    def take(self, name: str, record: ClaimRecord, *, durable: bool = True) -> ClaimRecord:
        """Claim a name; returns the record that counts, which may be an earlier one."""
        known = self.get(name)
        if known is not None:
            return known
        try:
            os.symlink(self._text(name, record), self._folder / name)
        except FileExistsError:
            return self.get(name) or record
        if durable:
            self.sync()
        return record

    def put(self, name: str, record: ClaimRecord, *, durable: bool = True) -> None:
        """Replace the record of a name."""
        part = self._folder / f".{name[:200]}.{secrets.token_hex(4)}"
        os.symlink(self._text(name, record), part)
        part.replace(self._folder / name)
        if durable:
            self.sync()

    def withdraw(self, name: str) -> None:
        """Prevent later launches of the name."""
        self.put(name, ClaimRecord(ClaimState.WITHDRAWN))

    def give_back(self, name: str) -> None:
        """Delete the claim of a name under which nothing was started."""
        (self._folder / name).unlink(missing_ok=True)
        (self._details / name).unlink(missing_ok=True)
        self.sync()

    def sync(self) -> None:
        """Write all changes to the disk."""
        sync_folder(str(self._folder))

    def _text(self, name: str, record: ClaimRecord) -> str:
        """The link's text; a long record is written to its file first."""
        text = _encoded(record)
        if len(os.fsencode(text)) <= _MAX_LINK_BYTES:
            return text
        write_bytes(str(self._details / name), text.encode())
        return _IN_DETAILS

    def _forget_old(self, is_kept: Callable[[str], bool]) -> None:
        limit = time.time() - KEPT_SECONDS
        for claim in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if claim.lstat().st_mtime < limit and not is_kept(claim.name):
                    claim.unlink()
                    (self._details / claim.name).unlink(missing_ok=True)


def _encoded(record: ClaimRecord) -> str:
    fields = [
        record.claim,
        record.container,
        record.ranks,
        record.alone,
        record.outputs,
        record.watch,
    ]
    return json.dumps(fields, separators=(",", ":"))


def _decoded(text: str) -> ClaimRecord:
    """Read a claim; claims of version 0.1 end after `alone`.

    A malformed text still means that the name is claimed.
    """
    with suppress(ValueError, TypeError):
        claim, container, ranks, alone, *rest = json.loads(text)
        outputs, watch = rest or (True, ("logs",))
        return ClaimRecord(
            ClaimState(claim),
            container,
            tuple(int(rank) for rank in ranks),
            bool(alone),
            bool(outputs),
            tuple(str(folder) for folder in watch),
        )
    return ClaimRecord()
