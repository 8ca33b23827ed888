"""What the description of the API (`/openapi.json`) says beyond the signatures of handlers: how
calls are refused, and bodies that are not JSON.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel


class Refusal(BaseModel):
    """Why a call was refused."""

    error: str
    detail: str


class MlflowRefusal(BaseModel):
    """The same in MLflow's words."""

    error_code: str
    message: str


_WHY = {
    401: "No token, or not a valid one",
    403: "The caller may not do that",
    404: "Not found",
    405: "There is no such method",
    409: "It contradicts what is recorded",
    413: "Over a limit",
    422: "Not possible; the text names field, value and limit",
    503: "The database cannot be reached; nothing was acknowledged",
}
_MLFLOW = {
    400: "Not possible",
    **{code: _WHY[code] for code in (401, 403, 404, 503)},
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refusal, "description": why} for code, why in _WHY.items()
}
MLFLOW_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": MlflowRefusal, "description": why} for code, why in _MLFLOW.items()
}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": _BYTES}}
RANGES: dict[int | str, dict[str, Any]] = {
    **BYTES,
    206: {"content": _BYTES, "description": "The requested range"},
    416: {"description": "The range is empty"},
}
TAR: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-tar": {}}}}
# The handler reads the body itself.
RAW_BODY: dict[str, Any] = {"requestBody": {"content": _BYTES}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The description. MLflow's calls answer 400 where the framework describes 422."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for call in (call for calls in made["paths"].values() for call in calls.values()):
            if "400" in call["responses"]:
                call["responses"].pop("422", None)
        app.openapi_schema = made
    return app.openapi_schema
