"""The exceptions, under Azure ML v1's names, so that `except` clauses keep working.

AzureMLException
├─ UserErrorException ← AuthenticationException      a wrong argument, a missing file, no permission
├─ ActivityFailedException                           `wait_for_completion` on a failed run
├─ ActivityCanceledException                         is there to be named; nothing raises it
├─ ExperimentExecutionException                      a submission or wait that is not possible
├─ RunConfigurationException · RunEnvironmentException · SnapshotException · TrainingException
├─ ComputeTargetException · WorkspaceException · ProjectSystemException
├─ ServerUnreachable                                 ours: no answer from the service, after retries
└─ NotYetAvailable                                   ours: a v1 call that this release lacks
ServiceException                                     the service refused (v1: no AzureMLException)
WaitTimeoutError(TimeoutError)                       ours: `timeout=` has passed and the run goes on
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class AzureMLException(Exception):
    """The base of what this library raises.

    Args:
        exception_message: What went wrong, and what to do about it.
        inner_exception: The exception underneath, if there is one.
        **kwargs: Further v1 facts (target, details, reference_code …); kept, not interpreted.
    """

    _error_code = "System"

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: Optional[BaseException] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message)
        self._message = exception_message
        self._inner_exception = inner_exception
        self._facts = kwargs

    @property
    def message(self) -> str:
        """What went wrong."""
        return self._message

    @message.setter
    def message(self, value: str) -> None:
        self._message = value

    @property
    def inner_exception(self) -> Optional[BaseException]:
        """The exception underneath, or None."""
        return self._inner_exception

    @inner_exception.setter
    def inner_exception(self, value: Optional[BaseException]) -> None:
        self._inner_exception = value

    def print_stacktrace(self) -> None:
        """Print the traceback of the exception that is being handled."""
        import traceback

        traceback.print_exc()

    def _error_response(self) -> Dict[str, Any]:
        error: Dict[str, Any] = {"code": self._error_code, "message": self._message}
        inner = self._facts.get("inner_error_code")
        if inner:
            error["innerError"] = {"code": inner}
        return {"error": error}

    def __str__(self) -> str:
        import json

        response = json.dumps(self._error_response(), indent=4)
        return (
            f"{type(self).__name__}:\n\tMessage: {self._message}"
            f"\n\tInnerException {self._inner_exception}\n\tErrorResponse \n{response}"
        )

    def __repr__(self) -> str:
        return str(self)


class UserErrorException(AzureMLException):
    """Something in what the caller gave is wrong."""

    _error_code = "UserError"


class AuthenticationException(UserErrorException):
    """The service does not accept the token."""


class ActivityFailedException(AzureMLException):
    """The run that was waited for has failed."""

    def __init__(self, error_details: str = "", **kwargs: Any) -> None:
        super().__init__(f"Activity Failed:\n{error_details}", **kwargs)
        self.error_details = error_details


class ActivityCanceledException(AzureMLException):
    """The run that was waited for was canceled."""


class ExperimentExecutionException(AzureMLException):
    """A run could not be submitted, or waiting for it was cut short."""


class RunConfigurationException(AzureMLException):
    """A configuration object is of the wrong kind."""


class RunEnvironmentException(AzureMLException):
    """There is no submitted run around this code."""

    def __init__(self, exception_message: str = "", **kwargs: Any) -> None:
        text = exception_message or (
            "Could not load a submitted run: this code runs outside an execution context. "
            "Use experiment.start_logging() here, or submit the script with experiment.submit()."
        )
        super().__init__(text, **kwargs)


class SnapshotException(AzureMLException):
    """A snapshot could not be taken or restored."""


class ComputeTargetException(AzureMLException):
    """A compute target is missing or not usable."""


class WorkspaceException(AzureMLException):
    """A workspace is missing, or there is one already."""


class ProjectSystemException(AzureMLException):
    """A folder is not attached to a workspace."""


class TrainingException(AzureMLException):
    """A sweep could not be carried out."""


class NotYetAvailable(AzureMLException, NotImplementedError):
    """A call that Azure ML v1 has and this release lacks; the text names the way out."""


class ServerUnreachable(AzureMLException):
    """The service did not answer, after retries; the text names its address and the way out."""


class WaitTimeoutError(TimeoutError):
    """`timeout` has passed before the run ended; nothing was canceled, the run goes on."""


class ServiceException(Exception):
    """The service refused a call.

    Attributes:
        status_code: The HTTP status, such as 404 for an unknown run.
        error_type: The service's name for the error, such as `RunNotFound`.
        message: The service's text.
    """

    def __init__(self, message: str, status_code: int = 0, error_type: str = "") -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_type = error_type
        self.message = message

    @property
    def details(self) -> str:
        """The service's text."""
        return self.message

    def __str__(self) -> str:
        kind = f" {self.error_type}" if self.error_type else ""
        return f"ServiceException:\n\tCode: {self.status_code}{kind}\n\tMessage: {self.message}"

    def __repr__(self) -> str:
        return str(self)
