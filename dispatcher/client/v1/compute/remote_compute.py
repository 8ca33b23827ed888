"""RemoteCompute: v1's machines over SSH, as Docker engines over SSH."""
# ruff: noqa: ARG004  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import ComputeTargetException
from dispatcher.client.v1.compute.targets import TYPE_LABEL, ComputeTarget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_KIND = "VirtualMachine"


class RemoteComputeAttachConfiguration:
    """A machine; see `RemoteCompute.attach_configuration`."""

    def __init__(self, username: str, address: str, ssh_port: int) -> None:
        self.username = username
        self.address = address
        self.ssh_port = ssh_port

    def as_target(self) -> Dict[str, Any]:
        """The configuration of the target."""
        host = f"ssh://{self.username}@{self.address}:{self.ssh_port}"
        return {"kind": "docker", "docker_host": host, "labels": {TYPE_LABEL: _KIND}}


class RemoteCompute(ComputeTarget):
    """A machine whose Docker engine is reached over SSH."""

    @staticmethod
    def attach_configuration(
        username: str,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        vm_name: Optional[str] = None,
        resource_id: Optional[str] = None,
        address: Optional[str] = None,
        ssh_port: int = 22,
        password: str = "",
        private_key_file: str = "",
        private_key_passphrase: str = "",
    ) -> RemoteComputeAttachConfiguration:
        """A machine by its address; runs are containers of its Docker engine.

        Args:
            username, address, ssh_port: Where it is.
            subscription_id, resource_group, vm_name, resource_id: Azure's names of a machine: give
                address instead.
            password, private_key_file, private_key_passphrase: Not handed on: the service logs in
                as its own account's SSH is set up to (`~/.ssh/config`, an agent).

        Raises:
            ComputeTargetException: There is no address, or a secret is given.
        """
        checks.texts(username=username)
        checks.texts_or_none(address=address)
        checks.count("ssh_port", ssh_port)
        if not address:
            raise ComputeTargetException(
                "attach_configuration needs address: Azure's names of a machine are not looked up."
            )
        if password or private_key_file or private_key_passphrase:
            raise ComputeTargetException(
                "password, private_key_file and private_key_passphrase are not handed on: set up "
                f"SSH so that the service's account reaches {username}@{address} without them."
            )
        return RemoteComputeAttachConfiguration(username, address, ssh_port)
