"""Errors of a call to the service: not answered for now, refused for good, content unreadable."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


class ServiceUnavailable(Exception):
    """The service cannot be reached, or cannot answer now; the same call may succeed later.

    Args:
        reason: What went wrong with the last attempt.
        tried_seconds: For how long the call was retried.
        status: The HTTP status of the last attempt, if the service answered it.
    """

    def __init__(
        self, reason: str, tried_seconds: float = 0.0, status: Optional[int] = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tried_seconds = tried_seconds
        self.status = status


class RequestRefused(Exception):
    """The service refuses the request; repeating it does not help.

    Args:
        status: The HTTP status.
        kind: The name of the service's error; empty when a proxy answered.
        detail: What is wrong, in words.
    """

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status
        self.kind = kind
        self.detail = detail


class ContentUnreadable(Exception):
    """A file cannot be uploaded: it cannot be read, or it changes while it is sent.

    Args:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
