"""The claims of a Docker target: what became of every name that was ever launched or withdrawn.

A claim is why a name never starts twice. It is on disk before anything starts under it, outlives
container and folders, and is kept for seven days. It also says what cannot be asked of anybody
later: whether the job was given to a warm container and to which, and which logs it has.

    <state>/claims/<job name>      a link to nowhere, whose text is the claim

A link is made whole or not at all, by one of several who try, and with its folder synced it is on
disk: that is one sync for any number of claims, where files would each need another.
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

from dispatcher.core.jobs import Job, attempt_of

KEPT_SECONDS = 7 * 86400


class ClaimState(StrEnum):
    """What became of a name."""

    LAUNCHED = "launched"
    STOPPED = "stopped"  # launched, and being ended on purpose: its end is no loss
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"  # its end is known; what is left of it may be deleted


@dataclass(frozen=True)
class ClaimRecord:
    """A claim: `box` is the warm container that the job was given to, if it was to one."""

    claim: ClaimState = ClaimState.LAUNCHED
    container: str | None = None
    ranks: tuple[int, ...] = (0,)
    alone: bool = True
    outputs: bool = True
    watch: tuple[str, ...] = ("logs",)

    def facts(self, name: str) -> dict[str, Any]:
        """As much of the job as its telemetry needs (see `dispatcher.agent.shipping.streams`)."""
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
    """What a launch of the job claims."""
    ranks = tuple(rank.rank for rank in job.ranks)
    alone = len(ranks) == 1 and job.world is None
    return ClaimRecord(ClaimState.LAUNCHED, container, ranks, alone, job.outputs, tuple(job.watch))


class Claims:
    """All claims of one target. A change is on disk before the call returns, unless it is not
    `durable`: then a power cut may undo it until `sync` is called.
    """

    def __init__(self, state: Path, is_kept: Callable[[str], bool]) -> None:
        """`is_kept` says of a name whether its claim is needed, however old it is."""
        self._folder = state / "claims"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old(is_kept)

    def get(self, name: str) -> ClaimRecord | None:
        """What became of the name, if anything did."""
        try:
            return _read(os.readlink(self._folder / name))
        except FileNotFoundError:
            return None

    def claim(self, name: str) -> ClaimState | None:
        """The same in one word."""
        entry = self.get(name)
        return None if entry is None else entry.claim

    def take(self, name: str, entry: ClaimRecord, *, durable: bool = True) -> ClaimRecord:
        """Claim a name; the answer is the claim that counts: an earlier one if there was one."""
        try:
            os.symlink(_text(entry), self._folder / name)
        except FileExistsError:
            return self.get(name) or entry
        if durable:
            self.sync()
        return entry

    def put(self, name: str, entry: ClaimRecord, *, durable: bool = True) -> None:
        """Replace what was claimed."""
        part = self._folder / f".{name[:200]}.{secrets.token_hex(4)}"
        os.symlink(_text(entry), part)
        part.replace(self._folder / name)
        if durable:
            self.sync()

    def withdraw(self, name: str) -> None:
        """Make sure that the name will not be launched any more."""
        self.put(name, ClaimRecord(ClaimState.WITHDRAWN))

    def give_back(self, name: str) -> None:
        """Drop a claim under which nothing has started, for sure."""
        (self._folder / name).unlink(missing_ok=True)
        self.sync()

    def sync(self) -> None:
        """Have all changes on disk."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _forget_old(self, is_kept: Callable[[str], bool]) -> None:
        limit = time.time() - KEPT_SECONDS
        for claim in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if claim.lstat().st_mtime < limit and not is_kept(claim.name):
                    claim.unlink()


def _text(entry: ClaimRecord) -> str:
    return json.dumps(
        [entry.claim, entry.container, entry.ranks, entry.alone], separators=(",", ":")
    )


def _read(text: str) -> ClaimRecord:
    """One that makes no sense is a claim all the same: what is sure is that there is one."""
    with suppress(ValueError, TypeError):
        claim, container, ranks, alone = json.loads(text)
        return ClaimRecord(
            ClaimState(claim), container, tuple(int(rank) for rank in ranks), bool(alone)
        )
    return ClaimRecord()
