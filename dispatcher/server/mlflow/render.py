"""Runs, experiments and models as MLflow's messages.

NaN and the infinities are written as texts, as in protobuf's JSON.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import Response

from dispatcher.core.errors import InvalidSpec
from dispatcher.services.mlflow.experiments import TITLE_TAG, shown_name
from dispatcher.services.mlflow.runs import MlflowRun
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.metrics.contract import Sample
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.runs.mlflow_terms import (
    DELETED,
    MLFLOW_STATUS,
    PARENT_TAG,
    RUN_NAME_TAG,
    USER_TAG,
)

_HISTORY_TAG = "mlflow.log-model.history"
MAX_OFFSET = 1 << 40


def answer(message: Mapping[str, Any]) -> Response:
    """A message as a JSON response, without FastAPI's validation of responses."""
    return Response(json.dumps(message, separators=(",", ":")), media_type="application/json")


def run_message(mlflow_run: MlflowRun) -> dict[str, Any]:
    kinds: dict[str, list[RunDocument]] = {}
    for document in mlflow_run.documents:
        kinds.setdefault(document.kind, []).append(document)
    return {
        "info": info(mlflow_run),
        "data": {
            "metrics": [
                {"key": key, **_numbers(m.value, m.t, m.step)}
                for key, m in mlflow_run.metrics.items()
            ],
            "params": pairs(mlflow_run.params),
            "tags": pairs(_tags(mlflow_run, kinds)),
        },
        "inputs": {
            "dataset_inputs": [dict(document.body) for document in kinds.get("dataset", ())],
            "model_inputs": [{"model_id": document.id} for document in kinds.get("input", ())],
        },
        "outputs": {
            "model_outputs": [
                {"model_id": document.id, "step": document.body["step"]}
                for document in kinds.get("output", ())
            ]
        },
    }


def info(mlflow_run: MlflowRun) -> dict[str, Any]:
    run = mlflow_run.run
    deleted = any(document.kind == DELETED for document in mlflow_run.documents)
    fields = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.display_name or run.id,
        "experiment_id": mlflow_run.experiment_id,
        "user_id": mlflow_run.tags.get(USER_TAG) or "",
        "status": MLFLOW_STATUS.get(run.status.value, "RUNNING"),
        "start_time": milliseconds(run.started_at or run.created_at),
        "artifact_uri": run_uri(mlflow_run),
        "lifecycle_stage": "deleted" if deleted else "active",
    }
    if run.ended_at is not None:
        fields["end_time"] = milliseconds(run.ended_at)
    return fields


def run_uri(mlflow_run: MlflowRun) -> str:
    return f"mlflow-artifacts:/{mlflow_run.experiment_id}/{mlflow_run.run.id}/artifacts"


def experiment_message(experiment: Experiment) -> dict[str, Any]:
    at = milliseconds(experiment.created_at)
    changed = experiment.archived_at or experiment.created_at
    tags = {key: value for key, value in experiment.tags.items() if key != TITLE_TAG}
    return {
        "experiment_id": experiment.id,
        "name": shown_name(experiment),
        "artifact_location": f"mlflow-artifacts:/{experiment.id}",
        "lifecycle_stage": "active" if experiment.archived_at is None else "deleted",
        "creation_time": at,
        "last_update_time": milliseconds(changed),
        "tags": pairs(tags),
    }


def model_message(model: RunDocument) -> dict[str, Any]:
    body = model.body
    path = f"{body['experiment_id']}/models/{model.id}/artifacts"
    return {
        "info": {
            "model_id": model.id,
            "experiment_id": body["experiment_id"],
            "name": model.name,
            "creation_timestamp_ms": body["created"],
            "last_updated_timestamp_ms": body["updated"],
            "artifact_uri": f"mlflow-artifacts:/{path}",
            "status": body["status"],
            "model_type": body["type"],
            "source_run_id": model.run_id,
            "tags": pairs(body["tags"]),
        },
        "data": {"params": pairs(body["params"]), "metrics": []},
    }


def history(key: str, samples: Sequence[Sample], token: str | None) -> Response:
    """The samples of a metric. The JSON is formatted directly: there may be 100,000 samples."""
    name = json.dumps(key)
    body = ",".join(
        [
            f'{{"key":{name},"value":{_text(value)},"timestamp":{milliseconds(t or 0.0)},'
            f'"step":{step}}}'
            for _position, value, t, step in samples
        ]
    )
    end = f',"next_page_token":{json.dumps(token)}' if token else ""
    return Response(f'{{"metrics":[{body}]{end}}}', media_type="application/json")


def sample_message(run_id: str, key: str, sample: Sample) -> dict[str, Any]:
    _position, value, t, step = sample
    return {"run_id": run_id, "key": key, **_numbers(value, t, step)}


def pairs(values: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"key": key, "value": value or ""} for key, value in values.items()]


def page(items: list[Any], token: str, size: int) -> tuple[list[Any], dict[str, str]]:
    """One page of a list in memory, and the token of the next page."""
    start = offset_of(token)
    return items[start : start + size], next_token(start, size, start + size < len(items))


def offset_of(token: str) -> int:
    """The offset at which a token's page starts. Raises InvalidSpec."""
    if not token:
        return 0
    try:
        offset = int(base64.b64decode(token, validate=True))
    except (ValueError, binascii.Error) as error:
        raise InvalidSpec(f"page_token: {token[:80]!r} is not a token of this service") from error
    if not 0 <= offset < MAX_OFFSET:
        raise InvalidSpec(f"page_token: {token[:80]!r} is not a token of this service")
    return offset


def next_token(start: int, size: int, more: bool) -> dict[str, str]:
    return {"next_page_token": token_of(start + size)} if more and size else {}


def token_of(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()


def milliseconds(seconds: float) -> int:
    return math.floor(seconds * 1000 + 0.5)


def _tags(
    mlflow_run: MlflowRun, kinds: Mapping[str, Iterable[RunDocument]]
) -> dict[str, str | None]:
    """The run's tags; the tags for its name, parent and models come from the run's own fields."""
    tags = {**mlflow_run.tags, RUN_NAME_TAG: mlflow_run.run.display_name or mlflow_run.run.id}
    if mlflow_run.run.spec.parent_id:
        tags[PARENT_TAG] = mlflow_run.run.spec.parent_id
    logged = [document.body for document in kinds.get("mlmodel", ())]
    if logged:
        tags[_HISTORY_TAG] = json.dumps(logged)
    return tags


def _numbers(value: float, t: float | None, step: int) -> dict[str, Any]:
    shown: Any = value if math.isfinite(value) else _text(value).strip('"')
    return {"value": shown, "timestamp": milliseconds(t or 0.0), "step": step}


def _text(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"'
