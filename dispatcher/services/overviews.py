"""What lists show of many runs at once: experiments and targets with what is active on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dispatcher.core.runs.lifecycle import TERMINAL, Run
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.runs.contract import ActiveCount, ExperimentTotal, RunQuery

ExperimentOrder = Literal["newest", "name", "created", "runs"]
_ENDED = tuple(status.value for status in TERMINAL)
WAITING = ("Queued", "Starting", "Provisioning", "Preparing")
_NO_RUNS = ExperimentTotal(0, 0.0)


@dataclass(frozen=True)
class ExperimentQuery:
    """Which experiments to list. `text` is part of the name, a tag's key or a tag's value."""

    text: str = ""
    archived: bool = False
    order: ExperimentOrder = "newest"
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class Activity:
    """The runs that have not ended: how many of them run, and how many wait to start."""

    running: int = 0
    waiting: int = 0

    def plus(self, count: ActiveCount) -> "Activity":
        if count.status in WAITING:
            return Activity(self.running, self.waiting + count.runs)
        return Activity(self.running + count.runs, self.waiting)


@dataclass(frozen=True)
class ExperimentOverview:
    """An experiment, what is active in it by compute target, and its last results.

    `newest` is its newest run without a parent, `last_ended` the newest of these that has ended.
    """

    experiment: Experiment
    runs: int
    targets: Mapping[str, Activity] = field(default_factory=dict)
    newest: Run | None = None
    last_ended: Run | None = None


class OverviewService:
    """Answers the lists of the studio; every method is one read of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def experiments(self, query: ExperimentQuery) -> tuple[list[ExperimentOverview], int]:
        """A page of experiments, and how many all pages have."""

        def work(tx: Transaction) -> tuple[list[ExperimentOverview], int]:
            totals = tx.runs.totals()
            fitting = [each for each in tx.registry.experiments() if _fits(each, query)]
            fitting.sort(key=lambda each: each.name)
            fitting.sort(
                key=lambda each: _order(each, totals.get(each.name, _NO_RUNS), query.order),
                reverse=query.descending,
            )
            page = fitting[query.offset : query.offset + query.limit]
            active = _by_experiment(tx.runs.active())
            shown = [_overview(tx, each, totals, active) for each in page]
            return shown, len(fitting)

        return self._store.read(work)

    def activity_of_targets(self) -> dict[str, Activity]:
        """What is active on each target that has something."""
        found: dict[str, Activity] = {}
        for count in self._store.read(lambda tx: tx.runs.active()):
            found[count.target] = found.get(count.target, Activity()).plus(count)
        return found

    def below(self, run_id: str) -> dict[str, int]:
        """How many runs are below a run, at any depth, by status."""
        return self._store.read(lambda tx: tx.runs.below_by_status(run_id))


def _fits(experiment: Experiment, query: ExperimentQuery) -> bool:
    if (experiment.archived_at is not None) != query.archived:
        return False
    if not query.text:
        return True
    texts = (experiment.name, *experiment.tags, *experiment.tags.values())
    return any(query.text.lower() in (text or "").lower() for text in texts)


def _order(
    experiment: Experiment, total: ExperimentTotal, order: ExperimentOrder
) -> str | float | int:
    values: dict[ExperimentOrder, str | float | int] = {
        "name": experiment.name.lower(),
        "created": experiment.created_at,
        "runs": total.runs,
        "newest": total.newest,
    }
    return values[order]


def _by_experiment(counts: Sequence[ActiveCount]) -> dict[str, dict[str, Activity]]:
    found: dict[str, dict[str, Activity]] = {}
    for count in counts:
        targets = found.setdefault(count.experiment, {})
        targets[count.target] = targets.get(count.target, Activity()).plus(count)
    return found


def _overview(
    tx: Transaction,
    experiment: Experiment,
    totals: Mapping[str, ExperimentTotal],
    active: Mapping[str, Mapping[str, Activity]],
) -> ExperimentOverview:
    name = experiment.name
    newest = tx.runs.query(RunQuery(experiment=name, top_level=True, limit=1))
    ended = newest
    if newest and not newest[0].terminal:
        query = RunQuery(experiment=name, top_level=True, statuses=_ENDED, limit=1)
        ended = tx.runs.query(query)
    return ExperimentOverview(
        experiment,
        totals.get(name, _NO_RUNS).runs,
        active.get(name, {}),
        newest[0] if newest else None,
        ended[0] if ended else None,
    )
