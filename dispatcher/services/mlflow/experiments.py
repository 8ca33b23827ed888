"""Experiments as MLflow knows them.

MLflow's names may be any text, ours may not: such a name is kept as a tag, and the experiment is
called by what of it can be kept and a hash. Experiment `0` is MLflow's Default; a deleted one is an
archived one.
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

DEFAULT, DEFAULT_ID = "Default", "0"
TITLE_TAG = "mlflow.experimentName"
_OURS = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}")


class MlflowExperiments:
    """Finds and changes experiments by MLflow's ids and names."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def create(self, title: str, tags: Mapping[str, str]) -> Experiment:
        """Raises Conflict when there is one of that name."""
        now = self._clock()

        def work(tx: Transaction) -> Experiment:
            known = _named(tx, title)
            if known is not None:
                state = "" if known.archived_at is None else ", deleted: restore it"
                raise Conflict(f"experiment {title!r} is there already (id {known.id}{state})")
            name = _free_name(tx, title)
            made = tx.registry.experiment(name, now=now, new_id=_new_id(name))
            kept = dict(tags) if title == name else {**tags, TITLE_TAG: title}
            made = replace(made, tags={**made.tags, **kept})
            tx.registry.put_experiment(made)
            return made

        return self._store.write(work)

    def get(self, experiment_id: str) -> Experiment:
        """Raises ExperimentNotFound."""
        found = self._store.read(lambda tx: by_id(tx, experiment_id))
        if found is None and experiment_id == DEFAULT_ID:
            now = self._clock()
            return self._store.write(lambda tx: default(tx, now))
        if found is None:
            raise ExperimentNotFound(experiment_id)
        return found

    def named(self, title: str) -> Experiment:
        """Raises ExperimentNotFound."""
        found = self._store.read(lambda tx: _named(tx, title))
        if found is None and title == DEFAULT:
            return self.get(DEFAULT_ID)
        if found is None:
            raise ExperimentNotFound(title)
        return found

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
                if _named(tx, title) is not None:
                    raise Conflict(f"experiment {title!r} is there already")
                changed[TITLE_TAG] = title
            for key, value in (tags or {}).items():
                if value is None:
                    changed.pop(key)
            at = known.archived_at
            if deleted is not None:
                at = (at or now) if deleted else None
            tx.registry.put_experiment(replace(known, tags=changed, archived_at=at))

        self._store.write(work)

    def search(
        self, view: View, clauses: Sequence[Clause], orders: Sequence[Order]
    ) -> list[Experiment]:
        """Experiments that fit, newest first unless ordered otherwise."""
        found = self._store.read(lambda tx: tx.registry.experiments())
        fit = [
            each
            for each in reversed(found)
            if view == "all" or (each.archived_at is not None) == (view == "deleted")
            if all(holds(clause, _value(each, clause)) for clause in clauses)
        ]
        for order in reversed(orders):
            fit.sort(key=lambda each, o=order: sort_key(_value(each, o), o.descending))  # type: ignore[misc]
        return fit


def by_id(tx: Transaction, experiment_id: str) -> Experiment | None:
    """The experiment of an id; `0` is the one called Default, whatever its id."""
    found = tx.registry.experiment_by_id(experiment_id)
    if found is None and experiment_id == DEFAULT_ID:
        return tx.registry.find_experiments([DEFAULT]).get(DEFAULT)
    return found


def default(tx: Transaction, now: float) -> Experiment:
    """MLflow's Default, made if it is not there."""
    return tx.registry.experiment(DEFAULT, now=now, new_id=DEFAULT_ID)


def shown_name(experiment: Experiment) -> str:
    return experiment.tags.get(TITLE_TAG) or experiment.name


def _require_experiment(tx: Transaction, experiment_id: str, now: float) -> Experiment:
    found = by_id(tx, experiment_id)
    if found is None and experiment_id == DEFAULT_ID:
        return default(tx, now)
    if found is None:
        raise ExperimentNotFound(experiment_id)
    return found


def _named(tx: Transaction, title: str) -> Experiment | None:
    name = _name_of(title)
    found = tx.registry.find_experiments([name]).get(name)
    if found is not None and shown_name(found) == title:
        return found
    return next((each for each in tx.registry.experiments() if shown_name(each) == title), None)


def _free_name(tx: Transaction, title: str) -> str:
    """Ours for a title; another one, if that name went to an experiment renamed since."""
    name, n = _name_of(title), 2
    while tx.registry.find_experiments([name]):
        name, n = f"{_name_of(title)[:240]}-{n}", n + 1
    return name


def _new_id(name: str) -> str | None:
    return DEFAULT_ID if name == DEFAULT else None


def _name_of(title: str) -> str:
    if _OURS.fullmatch(title):
        return title
    kept = re.sub(r"[^a-zA-Z0-9_\-]+", "_", title).strip("_-")[:200] or "experiment"
    return f"{kept}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"


def _value(experiment: Experiment, asked: Clause | Order) -> Any:
    if asked.kind == "tag":
        known = experiment.tags
        return (known[asked.key] or "") if asked.key in known else None
    return {
        "name": shown_name(experiment),
        "experiment_id": experiment.id,
        "creation_time": int(experiment.created_at * 1000),
        "last_update_time": int(experiment.created_at * 1000),
    }[asked.key]
