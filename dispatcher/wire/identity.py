"""Who a service is: its id, its data folder and its process.

A path, a port or a process id that was written down may belong to something else later. So the
client asks whoever listens for its identity (`GET /identity`, on the Unix socket alone) and
compares it with the data folder, before it sends a token or a signal.
"""

from __future__ import annotations

import http.client
import json

from dispatcher.wire.address import PREFIX
from dispatcher.wire.file_identity import file_id
from dispatcher.wire.process_identity import ProcessIdentity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Tuple

    from dispatcher.wire.address import Address

PATH = "/identity"
_MAX_ANSWER = 1 << 16


class ServiceIdentity:
    """A service as it describes itself.

    Attributes:
        service_id: The service's id, kept with its database.
        version: The release.
        folder: The data folder's path at the service's start.
        file_id: The data folder's device and inode number.
        is_in_place: Whether that folder is still at that path.
        process: The service's process.
        copied_from: The folder that the data folder was copied from, if the copy was noticed at
            this start; else None.
    """

    def __init__(
        self,
        service_id: str,
        version: str,
        folder: str,
        file_id: Tuple[int, int],
        is_in_place: bool,
        process: ProcessIdentity,
        copied_from: Optional[str] = None,
    ) -> None:
        self.service_id = service_id
        self.version = version
        self.folder = folder
        self.file_id = file_id
        self.is_in_place = is_in_place
        self.process = process
        self.copied_from = copied_from

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> ServiceIdentity:
        """Decode an identity. Raises KeyError, TypeError or ValueError if it is malformed."""
        copied_from = fields.get("copied_from")
        return cls(
            str(fields["service_id"]),
            str(fields["version"]),
            str(fields["folder"]),
            (int(fields["device"]), int(fields["inode"])),
            fields["in_place"] is True,
            ProcessIdentity.of(fields),
            None if copied_from is None else str(copied_from),
        )

    def encoded(self) -> Dict[str, Any]:
        """The fields as JSON has them."""
        device, inode = self.file_id
        return {
            "service_id": self.service_id,
            "version": self.version,
            "folder": self.folder,
            "device": device,
            "inode": inode,
            "in_place": self.is_in_place,
            "copied_from": self.copied_from,
            **self.process.encoded(),
        }

    def serves(self, folder: str) -> bool:
        """Whether a folder is the service's data folder, by whatever path."""
        return file_id(folder) == self.file_id


def ask(address: Address, timeout: float) -> Optional[ServiceIdentity]:
    """Ask whoever listens at an address who it is, without showing a token.

    Args:
        address: The address.
        timeout: Seconds that connecting, and each read or write, may take.

    Returns:
        The identity; None if nothing answers, or something that is not a service.
    """
    connection = address.connect(timeout)
    try:
        connection.request("GET", PREFIX + PATH)
        response = connection.getresponse()
        if response.status != 200:
            return None
        return ServiceIdentity.of(json.loads(response.read(_MAX_ANSWER)))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return None
    finally:
        connection.close()
