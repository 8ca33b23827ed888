"""The exceptions, under Azure ML v1's names, so that `except` clauses keep working.

AzureMLException
├─ UserErrorException                                a wrong argument, a missing file, no permission
│  ├─ AuthenticationException
│  └─ WrongArgument(…, TypeError)                    ours: an argument of the wrong kind, by name
├─ ActivityFailedException                           `wait_for_completion` on a failed run
├─ ActivityCanceledException                         is there to be named; nothing raises it
├─ ExperimentExecutionException                      a submission or wait that is not possible
├─ RunConfigurationException · RunEnvironmentException · SnapshotException · TrainingException
├─ ComputeTargetException · WorkspaceException · ProjectSystemException · ModelNotFoundException
├─ ServerUnreachable                                 ours: no answer from the service, after retries
└─ NotYetAvailable                                   ours: a v1 call that this release lacks
ServiceException                                     the service refused (v1: no AzureMLException)
WaitTimeoutError(TimeoutError)                       ours: `timeout=` has passed and the run goes on
"""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class AzureMLException(Exception):
    """The base of what this library raises.

    Args:
        exception_message: What went wrong, and what to do about it.
        inner_exception: The exception underneath, if there is one.
        target, details, message_format, message_parameters, reference_code, **kwargs: v1's further
            facts; kept, not interpreted.
    """

    _error_code = "System"

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: Optional[BaseException] = None,
        target: Any = None,
        details: Any = None,
        message_format: Any = None,
        message_parameters: Any = None,
        reference_code: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message)
        self._message = exception_message
        self._inner_exception = inner_exception
        self._facts = {
            "target": target,
            "details": details,
            "message_format": message_format,
            "message_parameters": message_parameters,
            "reference_code": reference_code,
            **kwargs,
        }

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


class WrongArgument(UserErrorException, TypeError):
    """An argument is of the wrong kind; the text names it."""


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
    """A workspace is missing, or there is one already.

    Attributes:
        found_multiple: v1's: whether there are several of that name.
    """

    def __init__(
        self, exception_message: str = "", found_multiple: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(exception_message, **kwargs)
        self.found_multiple = found_multiple


class ProjectSystemException(AzureMLException):
    """A folder is not attached to a workspace."""


class ModelNotFoundException(AzureMLException):
    """There is no model of that name, version or run."""

    def __init__(self, exception_message: str = "", logger: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


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

    Args:
        error_response_exception: The service's text.
        status_code, error_type: See the attributes.

    Attributes:
        status_code: The HTTP status, such as 404 for an unknown run.
        error_type: The service's name for the error, such as `RunNotFound`.
        message: The service's text.
    """

    def __init__(
        self,
        error_response_exception: Any,
        status_code: int = 0,
        error_type: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(error_response_exception)
        self.status_code = status_code
        self.error_type = error_type
        self._message = str(error_response_exception)

    @property
    def message(self) -> str:
        """The service's text."""
        return self._message

    @property
    def details(self) -> str:
        """The service's text."""
        return self.message

    @property
    def inner_exception(self) -> Optional[BaseException]:
        """None: the service's answer is all there is."""
        return None

    def print_stacktrace(self) -> None:
        """Print the traceback of the exception that is being handled."""
        import traceback

        traceback.print_exc()

    def __str__(self) -> str:
        kind = f" {self.error_type}" if self.error_type else ""
        return f"ServiceException:\n\tCode: {self.status_code}{kind}\n\tMessage: {self.message}"

    def __repr__(self) -> str:
        return str(self)
