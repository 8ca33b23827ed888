"""The one ordered log of events: every change of something is recorded in the commit that makes it.

Ids are given at the commit, counting up by one, and become visible in their order, also where
several services write to one database. So a reader that has seen an id has seen all events before
it. The events of a deleted run are removed later, which leaves gaps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SERVICE = "service"  # the actor of what the service does by itself
RUN_KIND = "run."  # the kinds of lifecycle events start so; the rest is the event's class name


@dataclass(frozen=True)
class NewEvent:
    """A change that is about to be committed.

    Attributes:
        kind: What happened, as `noun.Change`: `run.Started`, `target.attached`.
        subject: The id or name of what changed.
        at: Seconds since the epoch; None: the time of the commit.
        data: What else is to be known; JSON-ready values.
        run_id: The run that it concerns, if any.
        version: The run's version after a lifecycle event.
        attempt: The run's attempt when it happened.
    """

    kind: str
    subject: str
    at: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    version: int | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class RecordedEvent:
    """An event of the log. `actor` is the principal that made the change."""

    id: int
    at: float
    actor: str
    kind: str
    subject: str
    run_id: str | None
    version: int | None
    attempt: int | None
    data: Mapping[str, Any]

    @property
    def change(self) -> str:
        """The kind without its noun: `Started` of `run.Started`."""
        return self.kind.partition(".")[2]


def numbered(event: NewEvent, number: int, *, actor: str, now: float) -> RecordedEvent:
    """The event as it stands in the log."""
    at = now if event.at is None else event.at
    return RecordedEvent(
        number, at, actor, event.kind, event.subject, event.run_id, event.version, event.attempt,
        event.data,
    )  # fmt: skip


class Events(Protocol):
    def add(self, events: Sequence[NewEvent]) -> None:
        """Record them with this transaction's commit; they get their ids there."""

    def after(self, position: int, limit: int) -> list[RecordedEvent]:
        """The committed events after an id, in order."""

    def last(self) -> int:
        """The id that was given last; 0 if none was. Events of deleted runs are not in the log."""

    def of_run(self, run_id: str) -> list[RecordedEvent]:
        """The lifecycle events of a run, oldest first."""
