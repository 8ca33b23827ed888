"""Models: files of a run under a name and a version.

A model is two properties of its run: `model:<name>`, by which the runs that have versions of it are
found, and `model:<name>:<version>`, which holds it as JSON. Properties are written once, and so is
a model.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.core.spec import MAX_TEXT
from dispatcher.store.contract import Store, Transaction


class ModelService:
    """Registers models."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def register(self, run_id: str, model: Mapping[str, Any]) -> dict[str, Any]:
        """Register files of a run; answers the model with its version. Raises NotFound when the
        run has no such file or folder.
        """
        now = self._clock()

        def work(tx: Transaction) -> dict[str, Any]:
            _require(tx, run_id, model["path"])
            above = _last_version(tx, model["name"])
            version = tx.registry.next_number(f"model:{model['name']}", above=above)
            made = {**model, "version": version, "run_id": run_id, "registered_at": now}
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
            return {"registered_at": 0.0, **model, "run_id": run_id}
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


def _last_version(tx: Transaction, name: str) -> int:
    key = f"model:{name}:"
    numbers = [known.removeprefix(key) for _, known, _ in tx.labels.properties_like(key)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)
