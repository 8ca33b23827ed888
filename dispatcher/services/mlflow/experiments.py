"""Experiments under MLflow's ids and names.

MLflow allows any text as a name (here: the title), the service does not. A title that the service
does not allow is stored as a tag; the experiment's name is then its valid
characters and a hash.
Experiment `0` is MLflow's Default. An experiment that is deleted in MLflow is archived
here, and marked, so that garbage collection may delete it for good (`services.collection.runs`).
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.core.errors import Conflict, ExperimentNotFound
from dispatcher.core.runs.search import Clause, Order, holds, sort_key
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.runs.contract import View
from dispatcher.store.runs.mlflow_terms import DELETED_EXPERIMENT

DEFAULT, DEFAULT_ID = "Default", "0"
TITLE_TAG = "mlflow.experimentName"
_VALID_NAME = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}")


class MlflowExperiments:
    """Finds and changes experiments by MLflow's ids and names."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def create(self, title: str, tags: Mapping[str, str]) -> Experiment:
        """Create an experiment. Raises Conflict when there is one with that title."""
        now = self._clock()

        def work(tx: Transaction) -> Experiment:
            known = _by_title(tx, title)
            if known is not None:
                state = "" if known.archived_at is None else ", deleted: restore it"
                raise Conflict(f"experiment {title!r} exists already (id {known.id}{state})")
            name = _free_name(tx, title)
            experiment = tx.registry.experiment(name, now=now, new_id=_new_id(name))
            new_tags = dict(tags) if title == name else {**tags, TITLE_TAG: title}
            experiment = replace(experiment, tags={**experiment.tags, **new_tags})
            tx.registry.put_experiment(experiment)
            return experiment

        return self._store.write(work)

    def get(self, experiment_id: str) -> Experiment:
        """The experiment with an id. Raises ExperimentNotFound."""
        experiment = self._store.read(lambda tx: by_id(tx, experiment_id))
        if experiment is None and experiment_id == DEFAULT_ID:
            now = self._clock()
            return self._store.write(lambda tx: ensure_default(tx, now))
        if experiment is None:
            raise ExperimentNotFound(experiment_id)
        return experiment

    def by_title(self, title: str) -> Experiment:
        """The experiment with a title. Raises ExperimentNotFound."""
        experiment = self._store.read(lambda tx: _by_title(tx, title))
        if experiment is None and title == DEFAULT:
            return self.get(DEFAULT_ID)
        if experiment is None:
            raise ExperimentNotFound(title)
        return experiment

    def change(
        self,
        experiment_id: str,
        *,
        tags: Mapping[str, str | None] | None = None,
        title: str | None = None,
        deleted: bool | None = None,
    ) -> None:
        """Set tags (None removes one), rename, delete or restore. Raises ExperimentNotFound."""
        now = self._clock()

        def work(tx: Transaction) -> None:
            known = _require_experiment(tx, experiment_id, now)
            changed = {**known.tags, **(tags or {})}
            if title is not None and title != shown_name(known):
                if _by_title(tx, title) is not None:
                    raise Conflict(f"experiment {title!r} exists already")
                changed[TITLE_TAG] = title
            for key, value in (tags or {}).items():
                if value is None:
                    changed.pop(key)
            at = known.archived_at
            if deleted is not None:
                at = (at or now) if deleted else None
                mark = f"{DELETED_EXPERIMENT}{known.id}"
                tx.registry.delete_meta(mark)
                if deleted:
                    tx.registry.put_meta(mark, str(now))
            tx.registry.put_experiment(replace(known, tags=changed, archived_at=at))

        self._store.write(work)

    def search(
        self, view: View, clauses: Sequence[Clause], orders: Sequence[Order]
    ) -> list[Experiment]:
        """The experiments that match, newest first unless `orders` says otherwise."""
        experiments = self._store.read(lambda tx: tx.registry.experiments())
        matching = [
            each
            for each in reversed(experiments)
            if view == "all" or (each.archived_at is not None) == (view == "deleted")
            if all(holds(clause, _value(each, clause)) for clause in clauses)
        ]
        for order in reversed(orders):
            matching.sort(key=lambda each, o=order: sort_key(_value(each, o), o.descending))  # type: ignore[misc]
        return matching


def by_id(tx: Transaction, experiment_id: str) -> Experiment | None:
    """The experiment with an id; id `0` also finds an experiment Default that has another id."""
    experiment = tx.registry.experiment_by_id(experiment_id)
    if experiment is None and experiment_id == DEFAULT_ID:
        return tx.registry.find_experiments([DEFAULT]).get(DEFAULT)
    return experiment


def ensure_default(tx: Transaction, now: float) -> Experiment:
    """MLflow's experiment Default; created if it does not exist."""
    return tx.registry.experiment(DEFAULT, now=now, new_id=DEFAULT_ID)


def shown_name(experiment: Experiment) -> str:
    return experiment.tags.get(TITLE_TAG) or experiment.name


def _require_experiment(tx: Transaction, experiment_id: str, now: float) -> Experiment:
    experiment = by_id(tx, experiment_id)
    if experiment is None and experiment_id == DEFAULT_ID:
        return ensure_default(tx, now)
    if experiment is None:
        raise ExperimentNotFound(experiment_id)
    return experiment


def _by_title(tx: Transaction, title: str) -> Experiment | None:
    name = _name_of(title)
    experiment = tx.registry.find_experiments([name]).get(name)
    if experiment is not None and shown_name(experiment) == title:
        return experiment
    return next((each for each in tx.registry.experiments() if shown_name(each) == title), None)


def _free_name(tx: Transaction, title: str) -> str:
    """A name for a title that no experiment has; a renamed experiment keeps its first name."""
    name, n = _name_of(title), 2
    while tx.registry.find_experiments([name]):
        name, n = f"{_name_of(title)[:240]}-{n}", n + 1
    return name


def _new_id(name: str) -> str | None:
    return DEFAULT_ID if name == DEFAULT else None


def _name_of(title: str) -> str:
    if _VALID_NAME.fullmatch(title):
        return title
    stem = re.sub(r"[^a-zA-Z0-9_\-]+", "_", title).strip("_-")[:200] or "experiment"
    return f"{stem}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"


def _value(experiment: Experiment, term: Clause | Order) -> Any:
    """The value that a clause or an order refers to; None if the experiment has none."""
    if term.kind == "tag":
        tags = experiment.tags
        return (tags[term.key] or "") if term.key in tags else None
    return {
        "name": shown_name(experiment),
        "experiment_id": experiment.id,
        "creation_time": int(experiment.created_at * 1000),
        "last_update_time": int(experiment.created_at * 1000),
    }[term.key]
