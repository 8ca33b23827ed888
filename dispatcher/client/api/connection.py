"""The client's connection: `wire`'s connection with the client's retry time and exceptions."""

from __future__ import annotations

import contextlib

from dispatcher.client import errors
from dispatcher.client.api.heartbeat import Heartbeat
from dispatcher.wire.connection import ServiceConnection
from dispatcher.wire.errors import RequestRefused, ServiceUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client
    from typing import Any, Callable, Iterator, NoReturn, Optional, Set

    from dispatcher.wire.address import Address
    from dispatcher.wire.connection import Answer, Query

RETRY_SECONDS = 30.0


class ApiConnection(ServiceConnection):
    """Calls one service and raises the client's exceptions.

    Args:
        address: Where the service is.
        relocate: Returns the address anew after a lost connection.
        retry_seconds: For how long the service may be away before a call raises
            `ServerUnreachable`.
        advice: What the user can do when the service stays unreachable; part of that error's text.

    Attributes:
        held_snapshots: The ids of snapshots that the service is known to hold.
        heartbeat: Reports which interactive runs this process drives.
        held_inheritances: The hashes of what runs inherit that the service is known to hold.
        is_on_this_machine: Whether it is the embedded service of a workspace on this machine, and
            not called from inside a run.
    """

    def __init__(
        self,
        address: Address,
        relocate: Optional[Callable[[], Address]] = None,
        retry_seconds: float = RETRY_SECONDS,
        advice: str = "Check that the service runs and that this machine can reach it.",
    ) -> None:
        super().__init__(address, relocate, retry_seconds)
        self._advice = advice
        self.held_snapshots: Set[str] = set()
        self.heartbeat = Heartbeat(lambda: self.address)
        self.held_inheritances: Set[str] = set()
        self.is_on_this_machine = False

    def send(self, *args: Any, **kwargs: Any) -> Answer:
        """Send one request until it is answered; see `ServiceConnection.send`.

        Raises:
            ServerUnreachable: There was no answer within `retry_seconds`.
            ServiceException: The service refused (AuthenticationException for 401).
        """
        try:
            return super().send(*args, **kwargs)
        except (RequestRefused, ServiceUnavailable) as error:
            self._raise(error)

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Query = (), timeout: Optional[float] = None
    ) -> Iterator[http.client.HTTPResponse]:
        """GET a body that is read in the block, piece by piece. Raises as `send` does."""
        try:
            with super().stream(path, query, timeout) as response:
                yield response
        except (RequestRefused, ServiceUnavailable) as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        if isinstance(error, ServiceUnavailable):
            raise errors.ServerUnreachable(
                f"The service at {self.address} does not answer ({error.reason}), tried for "
                f"{error.tried_seconds:g} s. {self._advice}",
                inner_exception=error.__cause__ or error,
            ) from error.__cause__
        assert isinstance(error, RequestRefused)
        if error.status == 401:
            raise errors.AuthenticationException(
                f"{error.detail or 'The service does not accept the token.'} The token of a "
                "remote service comes from DISPATCHER_TOKEN or ~/.dispatcher/token."
            ) from None  # the error underneath says the same
        raise errors.ServiceException(
            error.detail, status_code=error.status, error_type=error.kind
        ) from None
