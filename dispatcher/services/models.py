"""Models: files of a run under a name and a version.

A model is two properties of its run: `model:<name>`, by which the runs that have versions of it are
found, and `model:<name>:<version>`, which holds it as JSON. Properties are written once, and so is
a model.
"""

import json
from collections.abc import Mapping
from typing import Any

from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.core.spec import MAX_TEXT
from dispatcher.store.contract import RunQuery, Store, Transaction

MAX_RUNS = 100_000


class ModelService:
    """Registers models."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, run_id: str, model: Mapping[str, Any]) -> dict[str, Any]:
        """Register files of a run; answers the model with its version. Raises NotFound when the
        run has no such file or folder.
        """

        def work(tx: Transaction) -> dict[str, Any]:
            _require(tx, run_id, model["path"])
            version = _last_version(tx, model["name"]) + 1
            made = {**model, "version": version, "run_id": run_id}
            key = f"model:{model['name']}"
            text = json.dumps(made)
            if len(text) > MAX_TEXT:
                raise InvalidSpec(
                    f"model: {len(text)} characters with its tags; at most {MAX_TEXT}"
                )
            tx.labels.add_properties(run_id, {key: "", f"{key}:{version}": text})
            return made

        return self._store.write(work)


def _require(tx: Transaction, run_id: str, path: str) -> None:
    if tx.artifacts.find(run_id, [path]):
        return
    if not tx.artifacts.page(run_id, prefix=f"{path}/", after="", limit=1):
        raise NotFound(
            f"run {run_id} has no file or folder {path!r}: upload it before it is registered"
        )


def _last_version(tx: Transaction, name: str) -> int:
    key = f"model:{name}"
    runs = tx.runs.query(RunQuery(properties=((key, None),), limit=MAX_RUNS))
    found = tx.labels.properties([run.id for run in runs])
    keys = [known for properties in found.values() for known in properties]
    versions = [known.removeprefix(f"{key}:") for known in keys if known.startswith(f"{key}:")]
    return max((int(version) for version in versions if version.isdigit()), default=0)
