"""The node agent's connection to the service: one attempt a call, because the agent itself repeats
what was not answered.
"""

from __future__ import annotations

from dispatcher.wire.address import Address
from dispatcher.wire.connection import ServiceConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Optional

ANSWER_SECONDS = 20.0
# Answers that depend on the moment, not on the request.
_RETRIED_LATER = frozenset({401, 408, 409, 425, 429, *range(500, 600)})


def connect(
    address: Mapping[str, Any],
    on_request: Optional[Callable[[], None]] = None,
    on_answer: Optional[Callable[[int], None]] = None,
) -> ServiceConnection:
    """Create the connection of an address.

    Args:
        address: `socket` or `url`; and `token`.
        on_request, on_answer: See `ServiceConnection`.
    """
    return ServiceConnection(
        Address.from_mapping(address),
        call_seconds=ANSWER_SECONDS,
        retried=_RETRIED_LATER,
        on_request=on_request,
        on_answer=on_answer,
    )
