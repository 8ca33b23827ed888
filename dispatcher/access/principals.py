"""The callers of the service, as frozen values."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a caller is."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    RUN = "run"
    AGENT = "agent"
    SERVICE = "service"  # this service itself: the sweeper submits trials


class Role(StrEnum):
    """What a user or a service account may do in the workspace; see the table of permissions."""

    OWNER = "owner"
    CONTRIBUTOR = "contributor"
    READER = "reader"


OWNER_NAME = "owner"


@dataclass(frozen=True)
class Principal:
    """One caller.

    Attributes:
        kind: What it is.
        name: The name of a user or a service account, the id of a run, or the compute target of an
            agent.
        role: The role of a user or a service account. A run acts for its submitter, who had at
            least the role of a contributor to submit it. Agents have none.
        submitted_by: For a run: the name of the user or the service account that submitted it, or
            that submitted the run at the root of its tree.
        target: For a run: the compute target that it runs on.
    """

    kind: Kind
    name: str
    role: Role | None = None
    submitted_by: str = ""
    target: str = ""

    @property
    def actor(self) -> str:
        """The name under which events and versions record this caller, such as `run:abc`."""
        return f"{self.kind}:{self.name}"

    @property
    def person(self) -> str:
        """The user or the service account that answers for what this caller does."""
        return self.submitted_by if self.kind is Kind.RUN else self.name

    @property
    def is_person(self) -> bool:
        """Whether this is a user or a service account, and not something that they started."""
        return self.kind in (Kind.USER, Kind.SERVICE_ACCOUNT)

    @property
    def run_id(self) -> str | None:
        """The id of the calling run; None for other callers."""
        return self.name if self.kind is Kind.RUN else None

    def __str__(self) -> str:
        words = {Kind.SERVICE_ACCOUNT: "service account", Kind.AGENT: "the agent of target"}
        return f"{words.get(self.kind, self.kind)} {self.name}"


def owner(name: str = OWNER_NAME) -> Principal:
    """The owner of the workspace, who holds the token in `service.json`."""
    return Principal(Kind.USER, name, Role.OWNER)


def run(run_id: str, *, submitted_by: str, target: str) -> Principal:
    """A run that calls with its own token."""
    return Principal(Kind.RUN, run_id, Role.CONTRIBUTOR, submitted_by, target)


def agent(target: str) -> Principal:
    """The node agent of a compute target."""
    return Principal(Kind.AGENT, target)


SERVICE = Principal(Kind.SERVICE, "service", Role.OWNER)
