"""A run and how it moves. Everything that affects the state of a run stands in this file.

`step(run, event) -> run` looks the event up in a table and raises `IllegalTransition` if it cannot
happen now. It returns no effects: what the world still owes a run is worked out afresh by
`reconciliation.reconcile`.

The statuses are Azure ML's own strings, so that scripts which compare them keep working. Three
facts stand beside the status, because they change without it: the *slot* (a parent that waits lends
it), *contact* (a node that does not answer is not dead; such a run reads `NotResponding`) and
*released* (the job is seen to be gone).

A retry is a new attempt of the same run: `Retried` takes it back to Queued under the next attempt
number, so every job name, claim, metric and log row of the old attempt stays told apart from the
new one's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dispatcher.core.errors import Conflict
from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Placement


class Status(StrEnum):
    """Azure ML's words."""

    STARTING = "Starting"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    PROVISIONING = "Provisioning"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


class Slot(StrEnum):
    """Who has the CPU slot of a running parent."""

    HELD = "held"
    LENT = "lent"  # it waits for its children; others may use the slot
    WANTED = "wanted"  # its wait is over; it gets the next free slot


S = Status
TERMINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELED})
NOT_RESPONDING = "NotResponding"


@dataclass(frozen=True)
class Run:
    """One run. `version` counts its changes; `attempt` its starts."""

    id: str
    spec: RunSpec
    status: Status = S.STARTING
    version: int = 0
    attempt: int = 1
    seq: int = 0  # submission number, unique in the store
    number: int = 0  # counts up within the experiment
    lineage: tuple[str, ...] = ()  # ids of its ancestors, root first
    submitted_by: str = ""  # the user or service account that submitted it, or its root
    display_name: str | None = None
    description: str | None = None
    child_policy: str = "ignore"
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    begun_at: float | None = None  # its first start, or its end without one: lists go by it
    placement: Placement = ()
    evidence: Evidence | None = None  # of the present attempt
    error: Mapping[str, Any] | None = None  # in v1's shape
    retries: Mapping[str, int] = field(default_factory=dict)  # verdict class -> attempts spent
    slot: Slot = Slot.HELD
    waits_for: tuple[str, ...] = ()
    not_responding_since: float | None = None
    released: bool = False

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def root_id(self) -> str:
        return self.lineage[0] if self.lineage else self.id

    @property
    def shown_status(self) -> str:
        """The status as users read it: a live run whose node does not answer is NotResponding."""
        silent = self.not_responding_since is not None and not self.terminal
        return NOT_RESPONDING if silent else self.status.value

    @property
    def holds(self) -> bool:
        """Whether what it was given is still taken: from placement until nothing of it is alive."""
        return bool(self.placement) and self.evidence is None and not self.released

    @property
    def owed(self) -> bool:
        """Whether the reconciler still has something to do with a job of it."""
        return bool(self.placement) and not self.released

    @property
    def job_names(self) -> tuple[str, ...]:
        """The names of its present attempt's jobs: one for each host it was placed on."""
        hosts = dict.fromkeys(share.node for share in self.placement)
        stem = f"{self.id}-{self.attempt}"
        return tuple(stem if k == 0 else f"{stem}.{k}" for k in range(len(hosts)))


# An event carries exactly the run's fields that it sets.
@dataclass(frozen=True)
class PrepareStarted:
    """Its environment is not on its node yet, and is being built."""


@dataclass(frozen=True)
class Placed:
    placement: Placement


@dataclass(frozen=True)
class Started:
    started_at: float
    not_responding_since: None = None


@dataclass(frozen=True)
class Exited:
    """Nothing of the job is alive any more, and this is what is known of its end."""

    evidence: Evidence
    not_responding_since: None = None
    slot: Slot = Slot.HELD
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completed:
    ended_at: float


@dataclass(frozen=True)
class Failed:
    ended_at: float
    error: Mapping[str, Any]


@dataclass(frozen=True)
class CancelRequested:
    """Asked for by a user, or by a rule. `ended_at` counts when nothing was started yet."""

    ended_at: float


@dataclass(frozen=True)
class Canceled:
    ended_at: float


@dataclass(frozen=True)
class Retried:
    """The attempt ended by no fault of the script; the next one may be placed anew."""

    attempt: int
    retries: Mapping[str, int]
    placement: Placement = ()
    evidence: None = None
    started_at: None = None
    released: bool = False


@dataclass(frozen=True)
class Released:
    released: bool = True


@dataclass(frozen=True)
class SlotLent:
    waits_for: tuple[str, ...]
    slot: Slot = Slot.LENT


@dataclass(frozen=True)
class WaitNoted:
    """It waits for these, but keeps its slot (lending is off there, or it holds a GPU)."""

    waits_for: tuple[str, ...]


@dataclass(frozen=True)
class SlotWanted:
    slot: Slot = Slot.WANTED
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class SlotTaken:
    slot: Slot = Slot.HELD
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErrorNoted:
    """The script says what went wrong; its exit code decides how it ends."""

    error: Mapping[str, Any]


@dataclass(frozen=True)
class ContactLost:
    not_responding_since: float


@dataclass(frozen=True)
class ContactRegained:
    not_responding_since: None = None


Event = (
    PrepareStarted | Placed | Started | Exited | Completed | Failed | CancelRequested |
    Canceled | Retried | Released | SlotLent | WaitNoted | SlotWanted | SlotTaken | ContactLost |
    ContactRegained | ErrorNoted
)  # fmt: skip

_CONTACT = (ContactLost, ContactRegained)
_SLOT = (SlotLent, WaitNoted, SlotWanted, SlotTaken)
_BEFORE_PLACEMENT: Mapping[type[Any], Status] = {
    CancelRequested: S.CANCELED,
    Canceled: S.CANCELED,
    Failed: S.FAILED,
}

TRANSITIONS: Mapping[Status, Mapping[type[Any], Status]] = {
    S.STARTING: _BEFORE_PLACEMENT,
    S.QUEUED: {**_BEFORE_PLACEMENT, Placed: S.PROVISIONING},
    S.PROVISIONING: {
        Started: S.RUNNING,
        Exited: S.FINALIZING,  # it could not start: the evidence says why
        CancelRequested: S.CANCEL_REQUESTED,
        Failed: S.FAILED,
        **dict.fromkeys((*_CONTACT, ErrorNoted), S.PROVISIONING),  # its start may not be told yet
        PrepareStarted: S.PREPARING,
    },
    S.PREPARING: {  # placed, and its environment is being built there
        Started: S.RUNNING,
        Exited: S.FINALIZING,
        CancelRequested: S.CANCEL_REQUESTED,
        Failed: S.FAILED,
        **dict.fromkeys((*_CONTACT, ErrorNoted), S.PREPARING),
    },
    S.RUNNING: {
        Exited: S.FINALIZING,
        CancelRequested: S.CANCEL_REQUESTED,
        Failed: S.FAILED,
        **dict.fromkeys((*_CONTACT, *_SLOT, ErrorNoted), S.RUNNING),
    },
    S.FINALIZING: {
        Completed: S.COMPLETED,
        CancelRequested: S.CANCEL_REQUESTED,
        Failed: S.FAILED,
        Retried: S.QUEUED,
    },
    # Whatever the job still says while it is being stopped, the run ends as Canceled.
    S.CANCEL_REQUESTED: {
        **dict.fromkeys((Started, Exited, CancelRequested, *_CONTACT, *_SLOT), S.CANCEL_REQUESTED),
        ErrorNoted: S.CANCEL_REQUESTED,
        **dict.fromkeys((Canceled, Completed, Failed), S.CANCELED),
    },
    **{status: {Released: status, Exited: status} for status in TERMINAL},
}

# Runs without a job: their driver says how they end, and nothing is there to be waited for.
INTERACTIVE: Mapping[Status, Mapping[type[Any], Status]] = {
    S.RUNNING: {
        ErrorNoted: S.RUNNING,
        Completed: S.COMPLETED,
        Failed: S.FAILED,
        CancelRequested: S.CANCELED,
        Canceled: S.CANCELED,
        **dict.fromkeys(_CONTACT, S.RUNNING),
    },
    **{status: {} for status in TERMINAL},
}


class IllegalTransition(Conflict):
    """The event cannot happen to the run as it is. The run is unchanged."""

    def __init__(self, run: Run, event: Event) -> None:
        super().__init__(f"{type(event).__name__} cannot happen to run {run.id} in {run.status}")
        self.run, self.event = run, event


def step(run: Run, event: Event) -> Run:
    """Return the run as it is after the event; raise IllegalTransition if it cannot happen now."""
    table = INTERACTIVE if run.spec.interactive else TRANSITIONS
    status = table.get(run.status, {}).get(type(event))
    if status is None:
        raise IllegalTransition(run, event)
    fields = dict(vars(event))
    if status not in TERMINAL:
        fields.pop("ended_at", None)  # asking for the end is not the end
    if run.terminal:
        fields.pop("error", None)
    if run.begun_at is None:
        fields["begun_at"] = fields.get("started_at") or fields.get("ended_at")
    return with_fields(run, status=status, version=run.version + 1, **fields)


def with_fields(run: Run, **fields: Any) -> Run:
    """The run with other values of some fields; `dataclasses.replace` takes four times as long."""
    changed = object.__new__(Run)
    changed.__dict__.update(run.__dict__, **fields)
    return changed


def first(spec: RunSpec, *, now: float, parent: Run | None, submitted_by: str = "") -> Run:
    """A run as it is when it has been accepted: Queued, or Running when it has no job."""
    return Run(
        spec.id,
        spec,
        status=S.RUNNING if spec.interactive else S.QUEUED,
        version=1,
        lineage=(*parent.lineage, parent.id) if parent else (),
        submitted_by=submitted_by,
        display_name=spec.display_name,
        description=spec.description,
        child_policy=spec.child_policy,
        created_at=now,
        started_at=now if spec.interactive else None,
        begun_at=now if spec.interactive else None,
        released=spec.interactive,
    )
