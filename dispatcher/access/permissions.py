"""The one table of permissions: who may do what, and how far it reaches. Pure.

A user or a service account is looked up by its role. A run acts for its submitter, narrowed to the
column `run`: it reads what its submitter may read in the workspace, writes its own tree, registers
versions of models and environments under its own name, and starts further runs below itself. It
never changes targets, secrets, tokens or runs outside its tree. An agent acts for its host.

Every route declares one of these actions (`server.guard`). Where a scope is narrower than ANY, the
run that a call names is compared with it: by the guard when the path names the run, and by the
service when the body does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.access.principals import SERVICE, Kind, Principal, Role
from dispatcher.core.errors import NotAllowed
from dispatcher.core.runs.lifecycle import Run


class Scope(StrEnum):
    """Which runs, and what belongs to them, a permission covers."""

    NONE = "none"
    ANY = "any"
    OWN_RUN = "own run"
    OWN_TREE = "own tree"  # the run and all its descendants
    OWN_HOST = "own host"  # the runs of the agent's compute target


class Permission(StrEnum):
    """What a call does."""

    READ_SERVER = "read what the server offers"
    OPEN_STUDIO = "open the studio"
    READ_RUNS = "read runs"
    SUBMIT_RUNS = "submit runs"
    CHANGE_RUNS = "change runs"
    DELETE_RUNS = "delete runs"
    PARK_RUNS = "lend the slot of a run"
    SEND_TELEMETRY = "send metrics and logs of runs"
    WRITE_FILES = "write files of runs"
    UPLOAD_CONTENT = "upload content"
    READ_SNAPSHOTS = "read snapshots"
    READ_CATALOG = "read targets, experiments, models and environments"
    REGISTER_MODELS = "register models"
    REGISTER_ENVIRONMENTS = "register environments"
    CREATE_EXPERIMENTS = "create experiments"
    CHANGE_EXPERIMENTS = "change experiments"
    MANAGE_TARGETS = "manage compute targets"
    MANAGE_RETENTION = "manage the retention of data"
    MANAGE_TOKENS = "manage tokens"
    MANAGE_SECRETS = "manage secrets"


_NONE, _ANY = Scope.NONE, Scope.ANY
_RUN, _TREE, _HOST = Scope.OWN_RUN, Scope.OWN_TREE, Scope.OWN_HOST
COLUMNS = (Role.OWNER, Role.CONTRIBUTOR, Role.READER, Kind.RUN, Kind.AGENT)
_A = Permission
_ROWS: Mapping[Permission, tuple[Scope, Scope, Scope, Scope, Scope]] = {
    #                          owner  contributor reader run    agent
    _A.READ_SERVER:           (_ANY,  _ANY,       _ANY,  _ANY,  _ANY),
    _A.OPEN_STUDIO:           (_ANY,  _ANY,       _ANY,  _NONE, _NONE),
    _A.READ_RUNS:             (_ANY,  _ANY,       _ANY,  _ANY,  _NONE),
    _A.SUBMIT_RUNS:           (_ANY,  _ANY,       _NONE, _TREE, _NONE),
    _A.CHANGE_RUNS:           (_ANY,  _ANY,       _NONE, _TREE, _NONE),
    _A.DELETE_RUNS:           (_ANY,  _ANY,       _NONE, _NONE, _NONE),
    _A.PARK_RUNS:             (_ANY,  _ANY,       _NONE, _RUN,  _NONE),
    _A.SEND_TELEMETRY:        (_ANY,  _ANY,       _NONE, _TREE, _HOST),
    _A.WRITE_FILES:           (_ANY,  _ANY,       _NONE, _TREE, _HOST),
    _A.UPLOAD_CONTENT:        (_ANY,  _ANY,       _NONE, _ANY,  _ANY),
    _A.READ_SNAPSHOTS:        (_ANY,  _ANY,       _ANY,  _ANY,  _HOST),
    _A.READ_CATALOG:          (_ANY,  _ANY,       _ANY,  _ANY,  _NONE),
    _A.REGISTER_MODELS:       (_ANY,  _ANY,       _NONE, _TREE, _NONE),
    _A.REGISTER_ENVIRONMENTS: (_ANY,  _ANY,       _NONE, _ANY,  _NONE),
    _A.CREATE_EXPERIMENTS:    (_ANY,  _ANY,       _NONE, _ANY,  _NONE),
    _A.CHANGE_EXPERIMENTS:    (_ANY,  _ANY,       _NONE, _NONE, _NONE),
    _A.MANAGE_TARGETS:        (_ANY,  _NONE,      _NONE, _NONE, _NONE),
    _A.MANAGE_RETENTION:      (_ANY,  _NONE,      _NONE, _NONE, _NONE),
    _A.MANAGE_TOKENS:         (_ANY,  _NONE,      _NONE, _NONE, _NONE),
    _A.MANAGE_SECRETS:        (_ANY,  _NONE,      _NONE, _NONE, _NONE),
}  # fmt: skip
TABLE: Mapping[Permission, Mapping[Role | Kind, Scope]] = {
    action: dict(zip(COLUMNS, row, strict=True)) for action, row in _ROWS.items()
}


@dataclass(frozen=True)
class Grant:
    """The permission of one principal to do one action, and its scope. Services take it."""

    principal: Principal
    action: Permission
    scope: Scope

    def covers(self, run: Run) -> bool:
        """Whether the permission reaches this run."""
        return covers(self.scope, self.principal, run)

    def require(self, run: Run) -> Run:
        """Return the run. Raises NotAllowed if the permission does not reach it."""
        if not self.covers(run):
            raise NotAllowed(
                f"{self.principal} may {self.action} of its {self.scope} only; run {run.id} is not "
                "among these"
            )
        return run

    @property
    def tree(self) -> str | None:
        """The run whose tree bounds what is listed; None when nothing does."""
        bounded = self.scope in (Scope.OWN_TREE, Scope.OWN_RUN)
        return self.principal.run_id if bounded else None


SERVICE_GRANT = Grant(SERVICE, Permission.SUBMIT_RUNS, Scope.ANY)


def scope_of(principal: Principal, action: Permission) -> Scope:
    """The scope in which a principal may do an action; NONE if it may not.

    A run may never do what the role of its submitter forbids.
    """
    row = TABLE[action]
    by_role = row[principal.role] if principal.role is not None else Scope.NONE
    match principal.kind:
        case Kind.RUN:
            return Scope.NONE if by_role is Scope.NONE else row[Kind.RUN]
        case Kind.AGENT:
            return row[Kind.AGENT]
    return by_role


def grant(principal: Principal, action: Permission) -> Grant:
    """The permission of a principal to do an action. Raises NotAllowed if it has none."""
    scope = scope_of(principal, action)
    if scope is Scope.NONE:
        role = f" (role {principal.role})" if principal.is_person else ""
        raise NotAllowed(f"{principal}{role} may not {action}")
    return Grant(principal, action, scope)


def covers(scope: Scope, principal: Principal, run: Run) -> bool:
    """Whether a scope of a principal holds a run."""
    match scope:
        case Scope.ANY:
            return True
        case Scope.OWN_RUN:
            return run.id == principal.run_id
        case Scope.OWN_TREE:
            return principal.run_id in (run.id, *run.lineage)
        case Scope.OWN_HOST:
            return principal.kind is Kind.AGENT and run.spec.target == principal.name
    return False
