"""Compute targets as the client sees them: a name, a kind and the service's configuration."""

from __future__ import annotations

import re

from dispatcher.client import checks
from dispatcher.client.api import targets
from dispatcher.client.console import echo
from dispatcher.client.errors import ComputeTargetException, ServiceException, UserErrorException
from dispatcher.client.v1 import class_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Type

    from dispatcher.client.v1.runs.children import Filter
    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.workspace import Workspace

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}", re.ASCII)
_RESERVED = ("amlcompute", "local", "containerinstance")
TYPE_LABEL = "azureml.type"
_CLASS_OF_LABEL = {"AmlCompute": "AmlCompute", "VirtualMachine": "RemoteCompute"}


@checks.checked_class
class ComputeTarget:
    """A target of the workspace.

    Args:
        workspace: The workspace.
        name: The target's name.

    Raises:
        ComputeTargetException: There is no target of that name.
    """

    @checks.checked
    def __new__(
        cls, workspace: Workspace, name: str, _record: Optional[Dict[str, Any]] = None
    ) -> ComputeTarget:
        """An object of the target's own class: AmlCompute for one that was made as such."""
        if not name:
            raise UserErrorException("name: a compute target's name is not empty.")
        record = _fetch(workspace, name) if _record is None else _record
        target = object.__new__(_class_of(cls, record))
        target._record = record
        return target

    def __init__(
        self, workspace: Workspace, name: str, _record: Optional[Dict[str, Any]] = None
    ) -> None:
        self._workspace = workspace
        self._name = name
        self._record: Dict[str, Any]

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return self._workspace

    @property
    def name(self) -> str:
        """The target's name."""
        return self._name

    @staticmethod
    def list(workspace: Workspace) -> List[ComputeTarget]:
        """All targets of the workspace."""
        records: Any = targets.read_all(workspace.service)
        return [ComputeTarget(workspace, record["name"], _record=record) for record in records]

    @staticmethod
    def create(workspace: Workspace, name: str, provisioning_configuration: Any) -> ComputeTarget:
        """Make a target of this machine under a cluster's name; one that is there is answered.

        Args:
            workspace: The workspace.
            name: Its name; `local`, `amlcompute` and `containerinstance` are reserved.
            provisioning_configuration: `AmlCompute.provisioning_configuration(...)`. Its nodes
                and sizes are kept and shown: what there is, is what this machine has.

        Raises:
            UserErrorException: The name is reserved, or the configuration is none.
            ComputeTargetException: The service refused it.
        """
        _check_name(name)
        if not hasattr(provisioning_configuration, "create_target"):
            raise UserErrorException(
                "provisioning_configuration is what AmlCompute.provisioning_configuration() makes, "
                f"not a {type(provisioning_configuration).__name__}; other kinds are attached: "
                'ComputeTarget.attach(ws, name, {"kind": "docker"}).'
            )
        target: ComputeTarget = provisioning_configuration.create_target(workspace, name)
        return target

    @staticmethod
    def attach(workspace: Workspace, name: str, attach_configuration: Any) -> ComputeTarget:
        """Make a target known to the service, or change it.

        Args:
            workspace: The workspace.
            name: Its name; `local`, `amlcompute` and `containerinstance` are reserved.
            attach_configuration: The target's configuration, such as `{"kind": "docker"}`, or
                `RemoteCompute.attach_configuration(...)`: a Docker engine reached over SSH.

        Raises:
            UserErrorException: The name is reserved, or the configuration is none.
            ComputeTargetException: The service refused the configuration.
        """
        _check_name(name)
        config = attach_configuration
        if hasattr(config, "as_target"):
            config = config.as_target()
        checks.mappings(attach_configuration=config)
        if not config:
            checks.refuse(
                "attach_configuration", 'a configuration such as {"kind": "docker"}', config
            )
        put(workspace, name, config)
        return ComputeTarget(workspace, name)

    @property
    def type(self) -> str:
        """v1's word for a target that was made in its terms; else the kind: local, docker, ray."""
        return str(self._labels.get(TYPE_LABEL) or self._record.get("kind", ""))

    @property
    def has_gpus(self) -> bool:
        """Whether the target is configured with GPUs."""
        return bool(self._record.get("gpus"))

    @property
    def provisioning_state(self) -> str:
        """Always "Succeeded": a target that the service knows is usable or says why not."""
        return "Succeeded"

    @property
    def provisioning_errors(self) -> None:
        """Always None, as the state is."""
        return

    @property
    def id(self) -> str:
        """v1's long name of it."""
        return f"{self.workspace.get_details()['id']}/computes/{self.name}"

    @property
    def location(self) -> str:
        """Where its workspace is."""
        return self.workspace.location

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._record.get("description") or "")

    @property
    def tags(self) -> Dict[str, str]:
        """The tags it was made with."""
        stem = "tag."
        return {k[len(stem) :]: v for k, v in self._labels.items() if k.startswith(stem)}

    def wait_for_completion(
        self, show_output: bool = False, is_delete_operation: bool = False
    ) -> None:
        """Ask the target whether it answers; there is nothing else to wait for.

        Raises:
            ComputeTargetException: It does not answer.
        """
        if is_delete_operation:
            return
        record = self.ping()
        self._record = record
        if not record.get("answers", True):
            raise ComputeTargetException(
                f"Target {self.name} does not answer: `dispatcher target ping {self.name}`."
            )
        if show_output:
            echo(f"Succeeded\n{self.name}: {record.get('capacity') or 'answers'}")

    def get_status(self) -> Any:
        """The provisioning state."""
        return self.provisioning_state

    def get_active_runs(
        self,
        type: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        status: Optional[str] = None,
    ) -> Iterator[Run]:
        """Yield the runs of the target that have not ended; filters as for `get_children`."""
        return self.workspace._active_runs(self.name, type, tags, properties, status)

    def ping(self) -> Dict[str, Any]:
        """Ask the service whether the target answers."""
        return targets.ping(self.workspace.service, self.name)

    def serialize(self) -> Dict[str, Any]:
        """The configuration as the service keeps it."""
        return dict(self._record)

    def refresh_state(self) -> None:
        """Read the configuration again."""
        self._record = _fetch(self.workspace, self.name)

    def delete(self) -> None:
        """Take the target out of the service. Raises ComputeTargetException when refused."""
        try:
            targets.delete(self.workspace.service, self.name)
        except ServiceException as error:
            raise ComputeTargetException(error.message, inner_exception=error) from error

    def detach(self) -> None:
        """The same as `delete`."""
        self.delete()

    @property
    def _labels(self) -> Dict[str, str]:
        return dict(self._record.get("labels") or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace={self.workspace.name!r}, name={self.name!r})"


def put(workspace: Workspace, name: str, config: Dict[str, Any]) -> None:
    """Store a target's configuration. Raises ComputeTargetException when it is refused."""
    try:
        targets.put(workspace.service, name, config)
    except TypeError as error:
        raise UserErrorException(f"attach_configuration: {error}.") from error
    except ServiceException as error:
        raise ComputeTargetException(error.message, inner_exception=error) from error


def find(workspace: Workspace, name: str) -> Optional[ComputeTarget]:
    """The target of that name, or None."""
    try:
        return ComputeTarget(workspace, name)
    except ComputeTargetException:
        return None


def _class_of(asked: Type[ComputeTarget], record: Dict[str, Any]) -> Type[ComputeTarget]:
    label = (record.get("labels") or {}).get(TYPE_LABEL)
    name = _CLASS_OF_LABEL.get(label or "")
    registered = class_registry.get(name) if name else asked
    kind: Type[ComputeTarget] = registered if issubclass(registered, asked) else asked
    return kind


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise UserErrorException(
            f"name: {name!r} is not a compute target's name: it begins with a letter, goes on with "
            "letters, digits, '_', '.' and '-', and has 64 characters at most."
        )
    if name.lower() in _RESERVED:
        raise UserErrorException(f"name: {name!r} is a reserved name; choose another.")


def _fetch(workspace: Workspace, name: str) -> Dict[str, Any]:
    try:
        record: Dict[str, Any] = dict(targets.read(workspace.service, name))
    except ServiceException as error:
        if error.status_code != 404:
            raise
        raise ComputeTargetException(
            f"ComputeTargetNotFound: Compute Target with name {name} not found in provided "
            f"workspace {workspace.name}",
            inner_exception=error,
        ) from error
    return record
