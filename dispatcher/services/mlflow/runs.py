"""Runs for MLflow's client: create, log, end, search.

A run that MLflow starts is an interactive run. A run with a job ends with its process: its exit
code decides its status, and `mlflow.end_run` does not. A run that is started with a run's own token
is a child of that run, but for the first one of each of its processes: that is the run itself
(`client.in_run.mlflow_plugin` tags them by the process).
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import ExperimentNotFound, InvalidSpec, RunNotFound
from dispatcher.core.runs.lifecycle import Canceled, Completed, Event, Failed, Run
from dispatcher.core.runs.spec import RunSpec
from dispatcher.services.mlflow.experiments import DEFAULT_ID, by_id, ensure_default
from dispatcher.services.status import StatusService
from dispatcher.services.submission import SubmissionService
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.metrics.contract import Latest, Number, Sample
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.runs.contract import RunSearch
from dispatcher.store.runs.mlflow_terms import (
    DELETED,
    PARENT_TAG,
    PROCESS_TAG,
    RUN_NAME_TAG,
    USER_TAG,
)

PROCESS = "process"  # the documents of a run that name its processes which have started it
DOCUMENT_KINDS = ("dataset", "input", "output", "mlmodel", DELETED)


@dataclass(frozen=True)
class NewRun:
    """A run as MLflow's client starts it. `started_ms` is in milliseconds since the epoch."""

    experiment_id: str
    name: str | None
    started_ms: int | None
    user: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class MlflowRun:
    """A run with its data in MLflow: tags, params, latest metrics, inputs and outputs."""

    run: Run
    experiment_id: str
    tags: Mapping[str, str | None]
    params: Mapping[str, str]
    metrics: Mapping[str, Latest]
    documents: Sequence[RunDocument]


class MlflowRuns:
    """Runs, for the calls of MLflow's client. Each call takes the caller's grant."""

    def __init__(
        self,
        store: Store,
        submission: SubmissionService,
        status: StatusService,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._submission = submission
        self._status = status
        self._clock = clock
        self._listeners: list[Callable[[set[str]], None]] = []

    def on_metrics(self, listener: Callable[[set[str]], None]) -> None:
        """Call `listener` after each commit of metrics, with the ids of their runs."""
        self._listeners.append(listener)

    def create(self, caller: Grant, new: NewRun) -> MlflowRun:
        """Start a run that its client drives. Raises ExperimentNotFound, InvalidSpec."""
        now = self._clock()
        tags = dict(new.tags)
        process = tags.pop(PROCESS_TAG, None)
        new = replace(new, tags=tags)

        def work(tx: Transaction) -> MlflowRun:
            around = _run_around(tx, caller, new, process)
            if around is not None:
                return around
            experiment = _open_experiment(tx, new.experiment_id, now)
            parent = _parent(tx, caller, new.tags.get(PARENT_TAG))
            name = new.name or new.tags.get(RUN_NAME_TAG) or None
            spec = RunSpec(
                id=uuid.uuid4().hex,
                experiment=experiment.name,
                parent_id=parent,
                interactive=True,
                display_name=name,
            )
            started_at = now if new.started_ms is None else new.started_ms / 1000
            [run] = self._submission.add(tx, [spec], caller, started_at)
            tags = {RUN_NAME_TAG: name or run.id, **new.tags}
            if parent is not None:
                tags[PARENT_TAG] = parent
            if new.user:
                tags.setdefault(USER_TAG, new.user)
            tx.labels.label_all({run.id: tags}, {})
            return MlflowRun(run, experiment.id, tags, {}, {}, ())

        return self._store.write(work)

    def get(self, caller: Grant, run_id: str) -> MlflowRun:
        """The run with an id. Raises RunNotFound, NotAllowed."""
        return self._store.read(lambda tx: with_data(tx, [run_of(tx, caller, run_id)])[0])

    def update(
        self,
        caller: Grant,
        run_id: str,
        *,
        status: str | None,
        ended_ms: int | None,
        name: str | None,
    ) -> MlflowRun:
        """End the run, or rename it. A run with a job continues until its process ends; a person's
        KILLED cancels it.
        """
        run = self._store.read(lambda tx: run_of(tx, caller, run_id))
        if name:
            self._store.write(lambda tx: _rename(tx, run_id, name))
        ended = self._clock() if ended_ms is None else ended_ms / 1000
        event = _end(status, ended)
        if event is not None and run.spec.interactive:
            self._status.record(run_id, event)
        elif isinstance(event, Canceled) and caller.principal.is_person:
            self._status.cancel(run_id)
        return self.get(caller, run_id)

    def set_deleted(self, caller: Grant, run_id: str, *, deleted: bool) -> None:
        """Delete a run in MLflow's view, or restore it. Its data stays."""

        def work(tx: Transaction) -> None:
            run_of(tx, caller, run_id)
            if deleted:
                tx.documents.put([RunDocument(DELETED, run_id, "", {"at": self._clock()})])
            else:
                tx.documents.remove(DELETED, run_id, "")

        self._store.write(work)

    def log(
        self,
        caller: Grant,
        run_id: str,
        *,
        metrics: Sequence[Number] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log metrics, params and tags in one transaction.

        Raises:
            RunNotFound: There is no such run.
            ParamConflict: A param has another value already.
            InvalidSpec: The run is deleted in MLflow.
        """

        def work(tx: Transaction) -> None:
            run = _open_run(tx, caller, run_id)
            if params:
                tx.params.add(run_id, run.attempt, params)
            tx.metrics.add_numbers(run_id, run.attempt, metrics)
            if tags:
                tx.labels.set_tags(run_id, tags)
                if tags.get(RUN_NAME_TAG):
                    tx.labels.describe(run_id, {"display_name": tags[RUN_NAME_TAG][:256]})

        self._store.write(work)
        for listener in self._listeners if metrics else ():
            listener({run_id})

    def delete_tag(self, caller: Grant, run_id: str, key: str) -> None:
        """Raises RunNotFound; InvalidSpec when there is no such tag."""

        def work(tx: Transaction) -> None:
            _open_run(tx, caller, run_id)
            if key not in tx.labels.tags([run_id]).get(run_id, {}):
                raise InvalidSpec(f"run {run_id} has no tag {key!r}")
            tx.labels.remove_tags(run_id, [key])

        self._store.write(work)

    def add_documents(self, caller: Grant, run_id: str, documents: Sequence[RunDocument]) -> None:
        """Store the data sets that a run read, or its input and output models."""

        def work(tx: Transaction) -> None:
            _open_run(tx, caller, run_id)
            tx.documents.put(documents)

        self._store.write(work)

    def history(
        self, caller: Grant, run_id: str, key: str, after: int, limit: int | None
    ) -> list[Sample]:
        """The samples of a metric after a position, in logging order. Raises RunNotFound."""

        def work(tx: Transaction) -> list[Sample]:
            run = run_of(tx, caller, run_id)
            return tx.metrics.history(run_id, key, run.attempt, after=after, limit=limit)

        return self._store.read(work)

    def search(
        self, caller: Grant, experiment_ids: Collection[str], search: RunSearch
    ) -> list[MlflowRun]:
        """Find the runs that the caller's grant covers."""
        within = caller.tree

        def work(tx: Transaction) -> list[MlflowRun]:
            experiments = (by_id(tx, experiment_id) for experiment_id in experiment_ids)
            names = tuple(each.name for each in experiments if each is not None)
            fields = {**vars(search), "experiments": names, "within": within}
            return with_data(tx, tx.runs.search(RunSearch(**fields)))

        return self._store.read(work)


def with_data(tx: Transaction, runs: Sequence[Run]) -> list[MlflowRun]:
    """These runs with their data, read in one query for each kind of data."""
    attempts = {run.id: run.attempt for run in runs}
    names = {run.spec.experiment for run in runs}
    known = tx.registry.find_experiments(names)
    tags, params = tx.labels.tags(attempts), tx.params.of(attempts)
    latest, documents = tx.metrics.latest(attempts), tx.documents.of_runs(attempts, DOCUMENT_KINDS)
    return [
        MlflowRun(
            run,
            known[run.spec.experiment].id if run.spec.experiment in known else "",
            tags.get(run.id, {}),
            params.get(run.id, {}),
            latest.get(run.id, {}),
            documents.get(run.id, ()),
        )
        for run in runs
    ]


def run_of(tx: Transaction, caller: Grant, run_id: str) -> Run:
    """The run, if the caller may access it. Raises RunNotFound, NotAllowed."""
    run = tx.runs.get([run_id]).get(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return caller.require(run)


def _open_run(tx: Transaction, caller: Grant, run_id: str) -> Run:
    run = run_of(tx, caller, run_id)
    if tx.documents.of_runs([run_id], [DELETED]):
        raise InvalidSpec(f"run {run_id} is deleted: restore it before it is logged to")
    return run


def _open_experiment(tx: Transaction, experiment_id: str, now: float) -> Experiment:
    experiment = by_id(tx, experiment_id)
    if experiment is None and experiment_id == DEFAULT_ID:
        return ensure_default(tx, now)
    if experiment is None:
        raise ExperimentNotFound(experiment_id)
    if experiment.archived_at is not None:
        raise InvalidSpec(f"experiment {experiment_id} is deleted: restore it before runs start")
    return experiment


def _parent(tx: Transaction, caller: Grant, tagged: str | None) -> str | None:
    """The parent of a new run: the run that its tag names, else the run that calls.

    A tag of a caller outside of runs may name a run that does not exist; then there is no parent.
    """
    own = caller.principal.run_id
    if own is None:
        return tagged if tagged and tx.runs.get([tagged]) else None
    return run_of(tx, caller, tagged or own).id


def _run_around(
    tx: Transaction, caller: Grant, new: NewRun, process: str | None
) -> MlflowRun | None:
    """The run whose process calls, if this is the first run that the process starts."""
    own = caller.principal.run_id
    if own is None or not process or PARENT_TAG in new.tags:
        return None
    known = tx.documents.of_runs([own], [PROCESS]).get(own, ())
    if process in {document.id for document in known}:
        return None
    run = _open_run(tx, caller, own)
    tx.documents.put([RunDocument(PROCESS, own, process, {})])
    name = new.name or new.tags.get(RUN_NAME_TAG)
    if name:
        _rename(tx, own, name[:256])
    tx.labels.set_tags(own, new.tags)
    return with_data(tx, [run])[0]


def _end(status: str | None, at: float) -> Event | None:
    match status:
        case "FINISHED":
            return Completed(at)
        case "FAILED":
            text = "The client of this run reported that it has failed."
            return Failed(at, {"error": {"code": "UserError", "message": text}})
        case "KILLED":
            return Canceled(at)
    return None


def _rename(tx: Transaction, run_id: str, name: str) -> None:
    tx.labels.describe(run_id, {"display_name": name})
    tx.labels.set_tags(run_id, {RUN_NAME_TAG: name})
