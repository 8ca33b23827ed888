"""Compute targets as the client sees them: a name, a kind and the service's configuration."""

from __future__ import annotations

from dispatcher.client.errors import ComputeTargetException, ServiceException, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from dispatcher.client.workspace import Workspace

_RESERVED = ("amlcompute", "local", "containerinstance")


class ComputeTarget:
    """A target of the workspace.

    Args:
        workspace: The workspace.
        name: The target's name.

    Raises:
        ComputeTargetException: There is no target of that name.
    """

    def __init__(
        self, workspace: Workspace, name: str, _record: Optional[Dict[str, Any]] = None
    ) -> None:
        self.workspace = workspace
        self.name = name
        self._record = _fetch(workspace, name) if _record is None else _record

    @staticmethod
    def list(workspace: Workspace) -> List[ComputeTarget]:
        """All targets of the workspace."""
        told = workspace.service.get("/targets")
        records = told["targets"] if isinstance(told, dict) else told
        if isinstance(records, dict):
            records = [{"name": name, **record} for name, record in records.items()]
        return [ComputeTarget(workspace, record["name"], _record=record) for record in records]

    @staticmethod
    def attach(workspace: Workspace, name: str, configuration: Dict[str, Any]) -> ComputeTarget:
        """Make a target known to the service, or change it.

        Args:
            workspace: The workspace.
            name: Its name; `local`, `amlcompute` and `containerinstance` are reserved.
            configuration: The target's configuration, such as `{"kind": "docker"}`.

        Raises:
            UserErrorException: The name is reserved.
            ComputeTargetException: The service refused the configuration.
        """
        from dispatcher.client import wire

        if name.lower() in _RESERVED:
            raise UserErrorException(f"{name!r} is a reserved name; choose another.")
        try:
            workspace.service.send(
                "PUT", f"/targets/{name}", (), wire.dumps({"name": name, **configuration})
            )
        except ServiceException as error:
            raise ComputeTargetException(error.message, inner_exception=error) from error
        return ComputeTarget(workspace, name)

    @property
    def type(self) -> str:
        """The kind of target: local, docker, ray …"""
        return str(self._record.get("kind", ""))

    @property
    def has_gpus(self) -> bool:
        """Whether the target is configured with GPUs."""
        return bool(self._record.get("gpus"))

    @property
    def provisioning_state(self) -> str:
        """Always "Succeeded": a target that the service knows is usable or says why not."""
        return "Succeeded"

    def ping(self) -> Dict[str, Any]:
        """Ask the service whether the target answers."""
        answer: Dict[str, Any] = self.workspace.service.post(f"/targets/{self.name}/ping")
        return answer

    def serialize(self) -> Dict[str, Any]:
        """The configuration as the service keeps it."""
        return dict(self._record)

    def refresh_state(self) -> None:
        """Read the configuration again."""
        self._record = _fetch(self.workspace, self.name)

    def delete(self) -> None:
        """Take the target out of the service. Raises ComputeTargetException when refused."""
        try:
            self.workspace.service.send("DELETE", f"/targets/{self.name}")
        except ServiceException as error:
            raise ComputeTargetException(error.message, inner_exception=error) from error

    detach = delete

    def __repr__(self) -> str:
        return f"ComputeTarget(workspace={self.workspace.name!r}, name={self.name!r})"


def _fetch(workspace: Workspace, name: str) -> Dict[str, Any]:
    try:
        record: Dict[str, Any] = workspace.service.get(f"/targets/{name}")
    except ServiceException as error:
        if error.status_code != 404:
            raise
        raise ComputeTargetException(
            f"ComputeTargetNotFound: Compute Target with name {name} not found in provided "
            f"workspace {workspace.name}",
            inner_exception=error,
        ) from error
    return record
