"""The error record that `run.fail(...)` stores with the run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_MOST = 3000
_HELP = "https://aka.ms/azureml-run-troubleshooting"


def error_of(details: Any, code: Optional[str]) -> Dict[str, Any]:
    """The error: its code, its message and, for an exception, where it came from.

    Raises:
        TypeError: The details are neither a text nor an exception.
    """
    error: Dict[str, Any] = {"code": code or "UserError"}
    if details is None:
        return error
    if isinstance(details, str):
        return {**error, "message": details[:_MOST]}
    if not isinstance(details, BaseException):
        raise TypeError(f"error_details is a text or an exception, not a {type(details).__name__}")
    return {**error, **_fields_of(details, code)}


def _fields_of(exception: BaseException, code: Optional[str]) -> Dict[str, Any]:
    import traceback

    from dispatcher.client.errors import AzureMLException

    kind = type(exception).__name__
    stack = traceback.format_exception(type(exception), exception, exception.__traceback__)
    debug = {
        "debug_type": kind,
        "debug_message": str(exception)[:_MOST],
        "debug_stack_trace": "".join(stack)[-_MOST:],
    }
    if isinstance(exception, AzureMLException):
        return {
            "code": code or exception._error_code,
            "message": exception.message[:_MOST],
            **debug,
        }
    message = f"User program failed with {kind}: {exception}"
    return {"message": message[:_MOST], "detailsUri": _HELP, **debug}
