"""AmlCompute: v1's clusters by size and number of nodes, as targets of this machine."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import ComputeTargetException, UserErrorException
from dispatcher.client.v1.compute.targets import (
    TYPE_LABEL,
    ComputeTarget,
    find,
    put,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional

    from dispatcher.client.v1.workspaces.workspace import Workspace

_KIND = "AmlCompute"
_IDLE = 1800
# What the service has observed of a target: not settings of it.
_SEEN = ("answers", "capacity", "orphan_jobs")
_SCALE = ("min_nodes", "max_nodes", "idle_seconds_before_scaledown")


class ScaleSettings:
    """How many nodes a cluster was asked to have."""

    def __init__(
        self,
        minimum_node_count: int,
        maximum_node_count: int,
        idle_seconds_before_scaledown: int,
    ) -> None:
        self.minimum_node_count = minimum_node_count
        self.maximum_node_count = maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> Dict[str, Any]:
        """In v1's keys."""
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": f"PT{self.idle_seconds_before_scaledown}S",
        }


class AmlComputeProvisioningConfiguration:
    """What a cluster is asked to be; see `AmlCompute.provisioning_configuration`."""

    def __init__(
        self,
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: int = _IDLE,
        tags: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
    ) -> None:
        self.vm_size = vm_size
        self.vm_priority = vm_priority
        self.min_nodes = min_nodes
        self.max_nodes = max_nodes
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown
        self.tags = tags
        self.description = description
        self.validate_configuration()

    @property
    def scale_settings(self) -> ScaleSettings:
        """The nodes."""
        return ScaleSettings(
            self.min_nodes, self.max_nodes or 0, self.idle_seconds_before_scaledown
        )

    def create_target(self, workspace: Workspace, name: str) -> ComputeTarget:
        """Make the target; see `ComputeTarget.create`."""
        known = find(workspace, name)
        if known is None:
            fields = {"kind": "local", "labels": self.labels()}
            put(workspace, name, {**fields, "description": self.description or ""})
        elif known.type == _KIND:
            change(known, self.labels())
        return ComputeTarget(workspace, name)

    def validate_configuration(self) -> None:
        """Raise ComputeTargetException for numbers that cannot be."""
        checks.texts(vm_size=self.vm_size, vm_priority=self.vm_priority)
        checks.texts_or_none(description=self.description)
        checks.mappings(tags=self.tags)
        _check_nodes(self.min_nodes, self.max_nodes)
        checks.number("idle_seconds_before_scaledown", self.idle_seconds_before_scaledown)

    def labels(self) -> Dict[str, str]:
        """How the target keeps it."""
        settings = {name: str(getattr(self, name)) for name in ("vm_size", "vm_priority", *_SCALE)}
        tags = {f"tag.{key}": str(value) for key, value in (self.tags or {}).items()}
        return {TYPE_LABEL: _KIND, **settings, **tags}


class AmlComputeNodeStateCounts:
    """How many nodes do what."""

    def __init__(
        self,
        idle_node_count: int,
        leaving_node_count: int,
        preempted_node_count: int,
        preparing_node_count: int,
        running_node_count: int,
        unusable_node_count: int,
    ) -> None:
        self.idle_node_count = idle_node_count
        self.leaving_node_count = leaving_node_count
        self.preempted_node_count = preempted_node_count
        self.preparing_node_count = preparing_node_count
        self.running_node_count = running_node_count
        self.unusable_node_count = unusable_node_count

    def serialize(self) -> Dict[str, int]:
        """In v1's keys."""
        return {f"{key.split('_')[0]}NodeCount": value for key, value in self.__dict__.items()}


class AmlComputeStatus:
    """What a cluster is like now.

    Attributes:
        provisioning_state, allocation_state: "Succeeded" and "Steady".
        current_node_count, target_node_count: 1 while the target answers, else 0.
        node_state_counts: The same by what it does.
        scale_settings, vm_size, vm_priority: As the cluster was asked for.
        errors: None.
    """

    def __init__(self, cluster: AmlCompute) -> None:
        from itertools import islice

        here = int(bool(cluster.serialize().get("answers")))
        busy = any(True for _ in islice(cluster.get_active_runs(status="Running"), 1))
        self.allocation_state = "Steady"
        self.allocation_state_transition_time: Optional[str] = None
        self.creation_time: Optional[str] = None
        self.current_node_count = here
        self.errors: Optional[List[Any]] = None
        self.modified_time: Optional[str] = None
        running = int(busy and bool(here))
        self.node_state_counts = AmlComputeNodeStateCounts(here - running, 0, 0, 0, running, 0)
        self.provisioning_state = cluster.provisioning_state
        self.provisioning_state_transition_time: Optional[str] = None
        self.scale_settings = cluster.scale_settings
        self.target_node_count = here
        self.vm_priority = cluster.vm_priority
        self.vm_size = cluster.vm_size

    def serialize(self) -> Dict[str, Any]:
        """In v1's keys."""
        return {
            "allocationState": self.allocation_state,
            "currentNodeCount": self.current_node_count,
            "errors": self.errors,
            "nodeStateCounts": self.node_state_counts.serialize(),
            "provisioningState": self.provisioning_state,
            "scaleSettings": self.scale_settings.serialize(),
            "targetNodeCount": self.target_node_count,
            "vmPriority": self.vm_priority,
            "vmSize": self.vm_size,
        }


class AmlCompute(ComputeTarget):
    """A target that was asked for as a cluster."""

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: int = _IDLE,
        admin_username: Optional[str] = None,
        admin_user_password: Optional[str] = None,
        admin_user_ssh_key: Optional[str] = None,
        vnet_resourcegroup_name: Optional[str] = None,
        vnet_name: Optional[str] = None,
        subnet_name: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: Optional[str] = None,
        identity_id: Optional[List[str]] = None,
        location: Optional[str] = None,
        enable_node_public_ip: bool = True,
    ) -> AmlComputeProvisioningConfiguration:
        """What a cluster is asked to be; kept with the target, which is this machine.

        Args:
            vm_size, vm_priority, min_nodes, max_nodes, idle_seconds_before_scaledown: Shown again
                by `get_status()`.
            tags, description: Of the target.
            admin_username, admin_user_password, admin_user_ssh_key: A login: checked, not kept.
            vnet_resourcegroup_name, vnet_name, subnet_name: A network: checked, not kept.
            remote_login_port_public_access, identity_type, identity_id, location,
                enable_node_public_ip: Azure's: not kept.

        Raises:
            ComputeTargetException: max_nodes is missing or below min_nodes, or a login, a network
                or an identity is half given.
        """
        network = (vnet_resourcegroup_name, vnet_name, subnet_name)
        if any(network) and not all(network):
            raise ComputeTargetException(
                "vnet_resourcegroup_name, vnet_name and subnet_name go together."
            )
        secret = admin_user_password or admin_user_ssh_key
        if bool(secret) != bool(admin_username):
            raise ComputeTargetException(
                "admin_username goes together with admin_user_password or admin_user_ssh_key."
            )
        if identity_id is not None and not identity_type:
            raise ComputeTargetException("identity_id needs an identity_type.")
        return AmlComputeProvisioningConfiguration(
            vm_size,
            vm_priority,
            min_nodes,
            max_nodes,
            idle_seconds_before_scaledown,
            tags,
            description,
        )

    @property
    def vm_size(self) -> str:
        """The size that was asked for."""
        return self._labels.get("vm_size", "")

    @property
    def vm_priority(self) -> str:
        """The priority that was asked for."""
        return self._labels.get("vm_priority", "dedicated")

    @property
    def scale_settings(self) -> ScaleSettings:
        """The nodes that were asked for."""
        low, high, idle = (int(self._labels.get(name) or 0) for name in _SCALE)
        return ScaleSettings(low, high, idle)

    def wait_for_completion(  # type: ignore[override]
        self,
        show_output: bool = False,
        min_node_count: Optional[int] = None,
        timeout_in_minutes: float = 25,
        is_delete_operation: bool = False,
    ) -> None:
        """Ask the target whether it answers; there are no nodes to wait for.

        Raises:
            ComputeTargetException: It does not answer.
        """
        super().wait_for_completion(show_output, is_delete_operation)

    def get_status(self) -> AmlComputeStatus:
        """What the cluster is like now."""
        self.refresh_state()
        return AmlComputeStatus(self)

    @property
    def status(self) -> AmlComputeStatus:
        """The same as `get_status()`."""
        return self.get_status()

    def get(self) -> Dict[str, Any]:
        """The configuration, read again."""
        self.refresh_state()
        return self.serialize()

    def delete(self) -> None:
        """Take the target out of the service. Raises ComputeTargetException when refused."""
        super().delete()

    def detach(self) -> NoReturn:
        """A cluster is deleted, not detached. Raises ComputeTargetException."""
        raise ComputeTargetException("A cluster is not attached: use delete().")

    def update(
        self,
        min_nodes: Optional[int] = None,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: Optional[int] = None,
    ) -> None:
        """Change the numbers that were asked for. Raises ComputeTargetException as at first."""
        now = self.scale_settings
        low = now.minimum_node_count if min_nodes is None else min_nodes
        high = now.maximum_node_count if max_nodes is None else max_nodes
        _check_nodes(low, high)
        checks.number("idle_seconds_before_scaledown", idle_seconds_before_scaledown)
        idle = idle_seconds_before_scaledown or now.idle_seconds_before_scaledown
        new = dict(zip(_SCALE, map(str, (low, high, idle))))  # noqa: B905
        change(self, {**self._labels, **new})

    def add_identity(self, identity_type: str, identity_id: Optional[List[str]] = None) -> None:
        """There are no identities of Azure here. Raises UserErrorException."""
        raise UserErrorException("There are no identities of Azure here; leave add_identity out.")

    def list_nodes(self) -> List[Dict[str, Any]]:
        """The node of each running run; one idle node where none runs."""
        nodes = [
            _node(node, "running", run.id)
            for run in self.get_active_runs(status="Running")
            for node in run._known("nodes") or [self.name]
        ]
        return nodes or [_node(self.name, "idle", None)]

    @staticmethod
    def supported_vmsizes(workspace: Workspace, location: Optional[str] = None) -> NoReturn:
        """There are no sizes. Raises UserErrorException."""
        raise UserErrorException(
            "There are no VM sizes: a target has what its machines have (ws.compute_targets). Any "
            "vm_size is accepted and kept."
        )


def change(target: ComputeTarget, labels: Dict[str, str]) -> None:
    """Store a target with other labels."""
    kept = {k: v for k, v in target.serialize().items() if k not in _SEEN}
    put(target.workspace, target.name, {**kept, "labels": labels})
    target.refresh_state()


def _check_nodes(low: Any, high: Any) -> None:
    for name, value in (("min_nodes", low), ("max_nodes", high)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ComputeTargetException(f"{name} is a whole number from 0 on, not {value!r}.")
    if high < low:
        raise ComputeTargetException(f"max_nodes, {high}, is below min_nodes, {low}.")


def _node(name: str, state: str, run_id: Optional[str]) -> Dict[str, Any]:
    return {
        "nodeId": name,
        "port": None,
        "publicIpAddress": None,
        "privateIpAddress": None,
        "nodeState": state,
        "runId": run_id,
    }
