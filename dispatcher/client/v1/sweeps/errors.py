"""HyperDrive's exceptions."""

from __future__ import annotations

from dispatcher.client.errors import AzureMLException


class HyperDriveException(AzureMLException):
    """Something is wrong with a sweep."""


class HyperDriveServiceException(HyperDriveException):
    """The service could not carry out a sweep."""


class HyperDriveConfigException(HyperDriveException):
    """A sweep's configuration cannot be; the text names the argument."""


class HyperDriveScenarioNotSupportedException(HyperDriveConfigException):
    """A sweep of that kind is not there."""


class HyperDriveNotImplementedException(HyperDriveScenarioNotSupportedException):
    """A run has this call, a sweep does not."""


class HyperDriveRehydrateException(HyperDriveException):
    """A run is not a sweep, or its tags do not say which."""
