"""Logged models: the models that `log_model` and autologging create.

A model belongs to the run that logged it. Its files are files of that run, in a folder with the
model's name: `model/MLmodel`. A second model of the same name gets a folder with its id.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dispatcher.access.permissions import Grant, Scope
from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.core.runs.artifact_names import check_name
from dispatcher.core.runs.search import Clause, Order, holds, sort_key
from dispatcher.services.mlflow.experiments import by_id
from dispatcher.services.mlflow.runs import run_of
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.documents.contract import RunDocument

MODEL = "model"


@dataclass(frozen=True)
class NewModel:
    """A model as MLflow announces it, before its files are uploaded."""

    name: str | None
    run_id: str | None
    type: str | None
    params: Mapping[str, str]
    tags: Mapping[str, str]


class MlflowModels:
    """Logged models, for the calls of MLflow's client."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def create(self, caller: Grant, new: NewModel) -> RunDocument:
        """Create a pending model. Raises InvalidSpec (no run is named), RunNotFound, NotAllowed."""
        run_id = new.run_id or caller.principal.run_id
        if run_id is None:
            raise InvalidSpec(
                "source_run_id: is missing; a model belongs to a run: log it inside "
                "`with mlflow.start_run():`"
            )
        model_id = f"m-{uuid.uuid4().hex}"
        name = new.name or model_id
        check_name(name)

        def work(tx: Transaction) -> RunDocument:
            run = run_of(tx, caller, run_id)
            taken = {
                r.body["folder"] for r in tx.documents.of_runs([run_id], [MODEL]).get(run_id, ())
            }
            known = tx.registry.find_experiments([run.spec.experiment])
            now = int(self._clock() * 1000)
            body = {
                "experiment_id": known[run.spec.experiment].id,
                "folder": f"{name}-{model_id}" if name in taken else name,
                "type": new.type or "",
                "status": "LOGGED_MODEL_PENDING",
                "params": dict(new.params),
                "tags": dict(new.tags),
                "created": now,
                "updated": now,
                "deleted": False,
            }
            model = RunDocument(MODEL, run_id, model_id, body, name=name)
            tx.documents.put([model])
            return model

        return self._store.write(work)

    def get(self, caller: Grant, model_id: str, *, deleted: bool = False) -> RunDocument:
        """The model with an id. Raises NotFound, NotAllowed."""
        return self._store.read(lambda tx: model_of(tx, caller, model_id, deleted=deleted))

    def change(
        self,
        caller: Grant,
        model_id: str,
        *,
        status: str | None = None,
        deleted: bool = False,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> RunDocument:
        """Set the status, delete, add params, set tags (None removes one)."""
        now = int(self._clock() * 1000)

        def work(tx: Transaction) -> RunDocument:
            known = model_of(tx, caller, model_id)
            body = {**known.body, "updated": now, "deleted": deleted}
            body["status"] = status or body["status"]
            body["params"] = {**body["params"], **(params or {})}
            both = {**body["tags"], **(tags or {})}
            body["tags"] = {key: value for key, value in both.items() if value is not None}
            changed = replace(known, body=body)
            tx.documents.put([changed])
            return changed

        return self._store.write(work)

    def search(
        self,
        caller: Grant,
        experiment_ids: Collection[str],
        clauses: Sequence[Clause],
        orders: Sequence[Order],
    ) -> list[RunDocument]:
        """Models of these experiments, newest first unless `orders` says otherwise."""

        def work(tx: Transaction) -> list[RunDocument]:
            experiments = (by_id(tx, experiment_id) for experiment_id in experiment_ids)
            names = [each.name for each in experiments if each is not None]
            models = tx.documents.of_experiments(MODEL, names)
            if caller.scope is Scope.ANY:
                return models
            runs = tx.runs.get({model.run_id for model in models})
            return [m for m in models if m.run_id in runs and caller.covers(runs[m.run_id])]

        matching = [
            model
            for model in self._store.read(work)
            if not model.body["deleted"]
            if all(holds(clause, _value(model, clause)) for clause in clauses)
        ]
        matching.sort(key=lambda model: -model.body["created"])
        for order in reversed(orders):
            matching.sort(key=lambda model, o=order: sort_key(_value(model, o), o.descending))  # type: ignore[misc]
        return matching


def model_of(
    tx: Transaction, caller: Grant, model_id: str, *, deleted: bool = False
) -> RunDocument:
    """The model, if the caller may access its run. Raises NotFound, NotAllowed."""
    known = tx.documents.find(MODEL, [model_id]).get(model_id)
    if known is None or (known.body["deleted"] and not deleted):
        raise NotFound(f"no logged model {model_id!r}")
    run_of(tx, caller, known.run_id)
    return known


def _value(model: RunDocument, term: Clause | Order) -> Any:
    """The value that a clause or an order refers to; None if the model has none."""
    body = model.body
    if term.kind in ("tag", "param"):
        return body[f"{term.kind}s"].get(term.key)
    return {
        "name": model.name,
        "model_id": model.id,
        "model_type": body["type"],
        "status": body["status"].removeprefix("LOGGED_MODEL_"),
        "source_run_id": model.run_id,
        "creation_timestamp": body["created"],
        "last_updated_timestamp": body["updated"],
    }.get(term.key)
