"""Where a job reaches its service: as it was told at its start, or as its node knows by now."""

from __future__ import annotations

import json
import os

from dispatcher.client.in_run.job_folder import job_folder
from dispatcher.wire.address import Address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def service_address() -> Address:
    """The service's address, with the run's own token.

    A socket that is gone may lie elsewhere since the service was started again.
    """
    environment = os.environ
    socket = environment.get("DISPATCHER_SERVICE_SOCKET") or None
    if socket is not None and not os.path.exists(socket):
        socket = _socket_of_node() or socket
    url = environment["AZUREML_SERVICE_ENDPOINT"]
    return Address(url, socket, environment["AZUREML_RUN_TOKEN"])


def _socket_of_node() -> Optional[str]:
    """The socket that the node's agent was given last; None if it is not there."""
    folder = job_folder()
    if folder is None:
        return None
    root = os.path.dirname(os.path.dirname(folder))
    try:
        with open(os.path.join(root, "service.json"), encoding="utf-8") as file:
            path = json.load(file)["service"]["socket"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return path if isinstance(path, str) and os.path.exists(path) else None
