"""v1's words for the status of a run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


class RunStatus:
    """The statuses by name."""

    QUEUED = "Queued"
    NOT_STARTED = "NotStarted"
    PREPARING = "Preparing"
    PROVISIONING = "Provisioning"
    STARTING = "Starting"
    RUNNING = "Running"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    UNAPPROVED = "Unapproved"
    NOTRESPONDING = "NotResponding"
    PAUSING = "Pausing"
    PAUSED = "Paused"

    @classmethod
    def list(cls) -> List[str]:
        """All of them."""
        return [value for name, value in vars(cls).items() if name.isupper()]

    @classmethod
    def get_running_statuses(cls) -> List[str]:
        """Those of runs that go on."""
        over = (cls.COMPLETED, cls.FAILED, cls.CANCELED, *cls.get_post_processing_statuses())
        return [status for status in cls.list() if status not in over]

    @classmethod
    def get_post_processing_statuses(cls) -> List[str]:
        """Those of runs whose script has ended."""
        return [cls.CANCEL_REQUESTED, cls.FINALIZING]
