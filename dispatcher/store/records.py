"""What a store is given and gives back: plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dispatcher.core.lifecycle import Event, Run
from dispatcher.core.search import Clause, Order


@dataclass(frozen=True)
class Change:
    """A run as it shall be, and the events that led there from what was read."""

    before: Run
    after: Run
    events: tuple[Event, ...]
    at: float


@dataclass(frozen=True)
class RecordedEvent:
    run_id: str
    version: int
    attempt: int
    type: str
    at: float
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One logged metric value, as the script logged it."""

    run_id: str
    attempt: int
    name: str
    kind: str
    value: Any
    t: float | None = None
    step: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Artifact:
    """A file of a run; its content lies in the blobs under its hash."""

    run_id: str
    name: str
    sha256: str
    size: int
    created_at: float
    attempt: int = 1


@dataclass(frozen=True)
class Latest:
    """The newest number of a metric: of the highest step, and there of the latest time."""

    value: float
    t: float | None
    step: int


# One number of a metric as it was logged: its place in that order, its value, seconds, step. A
# bare tuple, because a history holds a hundred thousand.
Sample = tuple[int, float, float | None, int]
Number = tuple[str, float, float, int]  # metric, value, seconds, step


@dataclass(frozen=True)
class Record:
    """A document beside a run, by kind and id: a data set that it read, a model that it made.

    `name`, `digest` and `context` can be searched by.
    """

    kind: str
    run_id: str
    id: str
    body: Mapping[str, Any]
    name: str = ""
    digest: str = ""
    context: str = ""


@dataclass(frozen=True)
class Holder:
    """Who takes a lease: a process, and the house that no other process is in while it lives.

    So whoever held a lease for the same house is gone, and its lease needs not run out. It is
    another holder all the same: what that one has still under way is fenced off.
    """

    house: str
    process: str

    def __str__(self) -> str:
        return f"{self.house}#{self.process}"

    def may_replace(self, held: str) -> bool:
        return held.rpartition("#")[0] == self.house


@dataclass(frozen=True)
class Experiment:
    id: str
    name: str
    created_at: float
    tags: Mapping[str, str | None] = field(default_factory=dict)
    archived_at: float | None = None


Place = tuple[float, int]  # in a list of runs: when it began, and its submission number
NOT_BEGUN = 1e18  # seconds: later than all that have


def place_of(run: Run) -> Place:
    """Where a run stands among others: the highest comes first.

    Lists are sorted as Azure ML v1 sorts them, by start, the newest first. A run that is started
    again keeps its place, and one that ended without a start has the place of its end.
    """
    return (NOT_BEGUN if run.begun_at is None else run.begun_at, run.seq)


@dataclass(frozen=True)
class RunQuery:
    """Which runs to list, newest first: those that have not begun, then by their first start.

    Filters are joined by AND; None filters nothing. `after` is the place of the last run of the
    page before. A place moves once, when the run begins, and then towards the end of the list: so
    a list that is read page by page leaves nobody out, but who begins meanwhile may come twice.

    In `tags` and `properties` a pair (key, None) asks that the key be there, (key, (value,)) that
    it be equal.
    """

    experiment: str | None = None
    parent: str | None = None
    below: str | None = None  # all descendants of that run
    within: str | None = None  # that run and all its descendants
    top_level: bool = False
    type: str | None = None
    status: str | None = None
    target: str | None = None
    ids: tuple[str, ...] | None = None
    tags: tuple[tuple[str, tuple[str | None] | None], ...] = ()
    properties: tuple[tuple[str, tuple[str | None] | None], ...] = ()
    limit: int = 100
    after: Place | None = None


View = Literal["active", "deleted", "all"]


@dataclass(frozen=True)
class RunSearch:
    """Which runs to find by what they have logged; newest first unless `order` says otherwise.

    Attributes are run_id, run_name, status (in MLflow's words), user_id, start_time, end_time
    (milliseconds). `within` is a run: only it and what is below it.
    """

    experiments: tuple[str, ...] | None = None
    within: str | None = None
    view: View = "active"
    clauses: tuple[Clause, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = 1000
    offset: int = 0


@dataclass(frozen=True)
class RegisteredEnvironment:
    """One version of an environment, by what it says in v1's words."""

    name: str
    version: int
    digest: str
    definition: Mapping[str, Any]
    created_at: float
