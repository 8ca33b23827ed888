"""What a store keeps of runs: the records it takes and gives back, and the calls on them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dispatcher.core.runs.lifecycle import Event, Run
from dispatcher.core.runs.search import Clause, Order


@dataclass(frozen=True)
class Change:
    """A run as it shall be, and the events that led there from what was read."""

    before: Run
    after: Run
    events: tuple[Event, ...]
    at: float


PageCursor = tuple[float, int]  # in a list of runs: when it began, and its submission number
NOT_STARTED_AT = 1e18  # seconds: later than all that have


def cursor_of(run: Run) -> PageCursor:
    """Where a run stands among others: the highest comes first.

    Lists are sorted as Azure ML v1 sorts them, by start, the newest first. A run that is started
    again keeps its place, and one that ended without a start has the place of its end.
    """
    return (NOT_STARTED_AT if run.begun_at is None else run.begun_at, run.seq)


RunOrder = Literal[
    "newest", "number", "name", "status", "target", "submitted_by", "created", "started", "ended",
    "duration",
]  # fmt: skip


def order_value(run: Run, order: RunOrder) -> str | float | None:
    """What runs are sorted by under an order other than "newest"; None comes last, either way.

    A run that has not ended has no duration.
    """
    if order == "duration":
        times = (run.started_at, run.ended_at)
        return None if times[0] is None or times[1] is None else times[1] - times[0]
    values: dict[RunOrder, str | float | None] = {
        "number": run.number,
        "name": run.display_name or run.id,
        "status": run.status.value,
        "target": run.spec.target,
        "submitted_by": run.submitted_by,
        "created": run.created_at,
        "started": run.started_at,
        "ended": run.ended_at,
    }
    return values.get(order)


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
    statuses: tuple[str, ...] = ()  # one of these; empty: any
    target: str | None = None
    submitted_by: str | None = None
    text: str | None = None  # see `holds_text`
    ids: tuple[str, ...] | None = None
    id_prefix: str | None = None
    tags: tuple[tuple[str, tuple[str | None] | None], ...] = ()
    properties: tuple[tuple[str, tuple[str | None] | None], ...] = ()
    limit: int = 100
    after: PageCursor | None = None
    order: RunOrder = "newest"
    descending: bool = False  # "newest" has one direction
    offset: int = 0


def holds_text(run: Run, tags: Mapping[str, str | None], text: str) -> bool:
    """Whether a text is part of a run's id, names, description, submitter, or of one of its tags.

    Letters of ASCII match in either case.
    """
    spec = run.spec
    texts = [run.id, spec.experiment, run.submitted_by, run.display_name, run.description]
    return any(text.lower() in (each or "").lower() for each in (*texts, *tags, *tags.values()))


@dataclass(frozen=True)
class ExperimentTotal:
    """How many runs an experiment has, and its highest place in a list of runs (`cursor_of`)."""

    runs: int
    newest: float


@dataclass(frozen=True)
class ActiveCount:
    """How many runs of an experiment that have not ended are on a target, by status."""

    experiment: str
    target: str
    status: str
    runs: int


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
class StoredState:
    """A run's row, unread: enough to tell whether it is as it is known.

    `state` is `codec.state_of(run)`.
    """

    seq: int
    id: str
    version: int
    state: str


class Runs(Protocol):
    """Calls on runs. A stored run that cannot be read is left out of every answer."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The runs that this transaction met and could not read, and why."""

    def add(self, runs: Sequence[Run]) -> list[Run]:
        """Store new runs; answers them with `seq` and `number` set, in the order given."""

    def get(self, ids: Collection[str], *, lock: bool = False) -> dict[str, Run]:
        """The runs of these ids that are there. `lock` keeps others from changing them until the
        commit.
        """

    def by_key(self, parent_id: str, keys: Collection[str]) -> dict[str, Run]:
        """Children of a parent by their durable key."""

    def using_snapshot(self, snapshot: str, target: str | None = None) -> bool:
        """Whether a run, or a run on that target, starts from a snapshot or builds from it."""

    def save(self, changes: Sequence[Change]) -> set[str]:
        """Store each change whose run still has the version that was read, with its events.

        Answers the ids of the others: they have moved meanwhile, or are gone, and are unchanged.
        """

    def owed(
        self, *, after: int = 0, limit: int | None = None, target: str | None = None
    ) -> list[Run]:
        """Runs that have something on a target (placed and not released), by submission number.

        Args:
            after: Only those with a higher submission number.
            limit: At most so many; None: all.
            target: Only those of that target.
        """

    def owed_states(self, *, after: int, limit: int) -> list[StoredState]:
        """The rows of owed runs after a submission number, in order; none is left out."""

    def queue_ids(self, target: str, limit: int) -> list[str]:
        """The ids of the runs that `queue` gives, and of those that cannot be read."""

    def queue(self, target: str, limit: int) -> list[Run]:
        """Queued runs of a target: highest priority first, then oldest."""

    def queued_targets(self) -> set[str]:
        """Targets for which at least one run is queued."""

    def query(self, query: RunQuery) -> list[Run]:
        """List runs, newest first, or in the order of the query."""

    def count(self, query: RunQuery, most: int) -> int:
        """How many runs a query lists on all its pages; counting stops at `most`."""

    def totals(self) -> dict[str, ExperimentTotal]:
        """What each experiment has; one without runs is left out."""

    def active(self) -> list[ActiveCount]:
        """The runs that have not ended, counted."""

    def below_by_status(self, run_id: str) -> dict[str, int]:
        """How many runs are below a run, at any depth, by status."""

    def search(self, search: RunSearch) -> list[Run]:
        """Find runs by their metrics, params, tags and data sets."""

    def open_below(self, run_id: str) -> list[Run]:
        """Descendants that have not ended."""

    def children_by_status(self, parents: Collection[str]) -> dict[str, dict[str, int]]:
        """How many direct children each of these runs has, by status."""
