"""Models: files of a run under a name and a version.

A model is two properties of its run: `model:<name>`, by which the runs that have versions of it are
found, and `model:<name>:<version>`, which holds it as JSON. Properties are written once, and so is
a model.

A version names who registered it. The name of a model belongs to who registered its first version:
a user, or for a run its submitter. A version that a run of another submitter registers is found by
its number and does not count as the latest (`counts_as_latest`). So the training runs of one user
move the latest version of that user's models, as they do in Azure ML, and nobody else's run can.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.access.permissions import Grant
from dispatcher.access.principals import Principal
from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.core.runs.spec import MAX_TEXT
from dispatcher.store.contract import Store, Transaction

# What models of earlier releases do not say.
_UNKNOWN = {
    "registered_at": 0.0,
    "registered_by": "",
    "submitter": "",
    "counts_as_latest": True,
}


class ModelService:
    """Registers models."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def register(self, run_id: str, model: Mapping[str, Any], caller: Grant) -> dict[str, Any]:
        """Register files of a run; answers the model with its version. Raises NotFound when the
        run has no such file or folder.
        """
        now = self._clock()

        def work(tx: Transaction) -> dict[str, Any]:
            _require(tx, run_id, model["path"])
            tx.registry.lock(f"model:{model['name']}")  # versions are numbered one by one
            versions = _versions(tx, model["name"])
            version = max(versions, default=0) + 1
            made = {
                **model,
                "version": version,
                "run_id": run_id,
                "registered_at": now,
                "registered_by": caller.principal.actor,
                "submitter": caller.principal.person,
                "counts_as_latest": _counts_as_latest(tx, versions, caller.principal),
            }
            key = f"model:{model['name']}"
            text = json.dumps(made)
            if len(text) > MAX_TEXT:
                raise InvalidSpec(
                    f"model: {len(text)} characters with its tags; at most {MAX_TEXT}"
                )
            tx.labels.add_properties(run_id, {key: "", f"{key}:{version}": text})
            return made

        return self._store.write(work)

    def find(self, name: str | None = None) -> list[dict[str, Any]]:
        """The models, or those of one name, newest first."""
        prefix = "model:" if name is None else f"model:{name}:"
        found = self._store.read(lambda tx: tx.labels.properties_like(prefix))
        models = [_read(run_id, key, text) for run_id, key, text in found]
        made = [model for model in models if model is not None and name in (None, model["name"])]
        return sorted(
            made, key=lambda model: (model["registered_at"], model["version"]), reverse=True
        )


def _read(run_id: str, key: str, text: str | None) -> dict[str, Any] | None:
    """The model of a property; None for the property by which its run is found, and for what a
    user has put there.
    """
    try:
        model = json.loads(text or "")
        if key == f"model:{model['name']}:{model['version']}":
            return {**_UNKNOWN, **model, "run_id": run_id}
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def _require(tx: Transaction, run_id: str, path: str) -> None:
    if tx.artifacts.find(run_id, [path]):
        return
    if not tx.artifacts.page(run_id, prefix=f"{path}/", after="", limit=1):
        raise NotFound(
            f"run {run_id} has no file or folder {path!r}: upload it before it is registered"
        )


def _versions(tx: Transaction, name: str) -> dict[int, tuple[str, str]]:
    """The run and the property of each version of a model."""
    prefix = f"model:{name}:"
    found = tx.labels.properties_like(prefix)
    numbers = {key.removeprefix(prefix): (run_id, key) for run_id, key, _ in found}
    return {int(number): place for number, place in numbers.items() if number.isdigit()}


def _counts_as_latest(
    tx: Transaction, versions: Mapping[int, tuple[str, str]], caller: Principal
) -> bool:
    if caller.is_person or not versions:
        return True
    run_id, key = versions[min(versions)]
    text = tx.labels.properties([run_id]).get(run_id, {}).get(key)
    first = _read(run_id, key, text)
    return first is not None and first["submitter"] in ("", caller.person)
