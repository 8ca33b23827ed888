"""Idempotency keys: which calls were carried out, and what they were answered."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class KeyedCall:
    """A call that was carried out under an idempotency key.

    Attributes:
        key: The key that the client made.
        digest: The hash of the request; the same key with another request is a conflict.
        holder: The process that carried it out.
        at: Seconds since the epoch.
        answer: What it was answered; empty until that is known.
    """

    key: str
    digest: str
    holder: str
    at: float
    answer: str = ""


class IdempotencyKeys(Protocol):
    def find(self, key: str) -> KeyedCall | None:
        """The call that was carried out under a key."""

    def take(self, call: KeyedCall) -> bool:
        """Record that this transaction carries out a call; False if the key is recorded already.

        A transaction that waits for another one with the same key is answered when that has ended.
        """

    def answer(self, call: KeyedCall) -> None:
        """Record what a call was answered."""

    def prune(self, before: float) -> int:
        """Forget the calls before a moment; answers how many."""
