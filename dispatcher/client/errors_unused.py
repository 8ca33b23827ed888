"""Exceptions of v1 that this library never raises; programs name them in `except` clauses."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.errors import AzureMLException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence


class AzureMLAggregatedException(AzureMLException):
    """Several exceptions at once."""

    def __init__(self, exceptions_list: Sequence[BaseException], **kwargs: Any) -> None:
        super().__init__("\n".join(map(str, exceptions_list)), **kwargs)


class DatasetTimestampMissingError(AzureMLException):
    """A dataset without a time."""

    def __init__(self, error_details: str = "", **kwargs: Any) -> None:
        super().__init__(error_details, **kwargs)


class DiscoveryUrlNotFoundException(AzureMLException):
    """Azure does not say where it is."""

    def __init__(self, discovery_key: str = "", **kwargs: Any) -> None:
        super().__init__(f"Discovery URL not found for {discovery_key}", **kwargs)


class ModelPathNotFoundException(AzureMLException):
    """A model's file is missing."""

    def __init__(self, exception_message: str = "", logger: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class ParallelRunException(AzureMLException):
    """A parallel step has failed."""

    def __init__(
        self, exception_message: str = "", code: Any = None, delay_seconds: float = 0, **kwargs: Any
    ) -> None:
        super().__init__(exception_message, **kwargs)
        self.code = code
        self.delay_seconds = delay_seconds


class WebserviceException(AzureMLException):
    """A web service has failed."""

    def __init__(
        self,
        exception_message: str = "",
        status_code: Any = None,
        logger: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message, **kwargs)
        self.status_code = status_code


class WorkspacePrivateEndpointException(AzureMLException):
    """A private endpoint is missing."""

    def __init__(
        self, exception_message: str = "", found_multiple: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(exception_message, **kwargs)
        self.found_multiple = found_multiple
