"""Errors in the shape of MLflow, `{"error_code": …, "message": …}`, with its HTTP codes."""

from fastapi.responses import JSONResponse

from dispatcher.core import errors

PREFIXES = ("/api/2.0/", "/api/3.0/")

# By the status of the service's own API (app.STATUS_OF).
_ANSWERS = {
    401: (401, "UNAUTHENTICATED"),
    403: (403, "PERMISSION_DENIED"),
    404: (404, "RESOURCE_DOES_NOT_EXIST"),
    405: (404, "ENDPOINT_NOT_FOUND"),
    409: (400, "INVALID_PARAMETER_VALUE"),
    413: (400, "INVALID_PARAMETER_VALUE"),
    422: (400, "INVALID_PARAMETER_VALUE"),
    500: (500, "INTERNAL_ERROR"),
    501: (501, "NOT_IMPLEMENTED"),
    503: (503, "TEMPORARILY_UNAVAILABLE"),
    507: (507, "TEMPORARILY_UNAVAILABLE"),
}


def is_mlflow(path: str) -> bool:
    """Whether a call is one of MLflow's."""
    return path.startswith(PREFIXES)


def error_answer(status: int, detail: str, error: Exception | None = None) -> JSONResponse:
    """An error in MLflow's shape."""
    code, name = _ANSWERS.get(status, (400, "BAD_REQUEST"))
    if type(error) is errors.Conflict:  # of a name: MLflow has a code for it
        name = "RESOURCE_ALREADY_EXISTS"
    return JSONResponse({"error_code": name, "message": detail}, status_code=code)


def unknown_call(method: str, path: str) -> JSONResponse:
    """The answer to an unsupported call: the code on which MLflow's client falls back."""
    text = (
        f"{method} {path[:200]}: this service does not answer that call of MLflow's; it does "
        "experiments, runs, metrics, params, tags, search, data sets, logged models and artifacts"
    )
    return JSONResponse({"error_code": "ENDPOINT_NOT_FOUND", "message": text}, status_code=404)
