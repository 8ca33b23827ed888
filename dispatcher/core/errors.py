"""The errors that the service raises, drawn.

DispatcherError
├─ NotFound          404   RunNotFound · ExperimentNotFound · TargetNotFound · SnapshotNotFound ·
│                          InheritanceNotFound
├─ InvalidSpec       422   what was asked for cannot be: names field, value and limit
├─ Conflict          409   RunConflict · IllegalTransition · KeyConflict · PropertyConflict ·
│                          ArtifactConflict · ParamConflict · WaitCycle
├─ NotAllowed        403   the token's run may not touch that
├─ LimitExceeded     413   a size or count over its limit
└─ StoreUnavailable  503   the database cannot be reached; nothing was acknowledged
   └─ StorageFull    507   there is no room left; the same

`server/app.py` maps them to HTTP in one table. What targets raise stands in `targets/base.py`.
"""


class DispatcherError(Exception):
    """Base of all errors that the service raises on purpose."""


class NotFound(DispatcherError):
    """The named thing is not there."""


class RunNotFound(NotFound):
    def __init__(self, run_id: str) -> None:
        super().__init__(f"no run {run_id!r}")
        self.run_id = run_id


class ExperimentNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no experiment {name!r}")


class TargetNotFound(NotFound):
    def __init__(self, name: str, known: list[str]) -> None:
        there = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"no compute target {name!r}; attached: {there}. "
            f"Attach it with: dispatcher computetarget attach KIND --name {name}"
        )


class SnapshotNotFound(NotFound):
    def __init__(self, snapshot_id: str) -> None:
        super().__init__(f"no snapshot {snapshot_id!r}: upload it first")


class InheritanceNotFound(NotFound):
    def __init__(self, digest: str) -> None:
        super().__init__(f"inherits: nothing is kept as {digest!r}: upload it first")


class InvalidSpec(DispatcherError):
    """What was asked for cannot be; the text names field, value and limit."""


class Conflict(DispatcherError):
    """It contradicts what is recorded."""


class RunConflict(Conflict):
    """The run is not as the caller thought, or a known id came with other content."""


class KeyConflict(Conflict):
    """A key that is in use came with another request."""


class ArtifactConflict(Conflict):
    """A run has a file of that name with another content."""

    def __init__(self, name: str, known: str, given: str) -> None:
        super().__init__(
            f"{name!r} is there with the content sha256 {known}, and now came with {given}: "
            "a file of a run is written once; give the other one another name"
        )


class PropertyConflict(Conflict):
    """A property cannot be changed once it is set."""


class ParamConflict(Conflict):
    """A param cannot be changed once it is set."""

    def __init__(self, run_id: str, key: str, known: str, given: str) -> None:
        super().__init__(
            f"param {key!r} of run {run_id} is {known[:200]!r} and cannot be changed to "
            f"{given[:200]!r}: params are immutable, use a tag or a nested run"
        )


class WaitCycle(Conflict):
    """The wait can never end; the text names the cycle and the way out."""


class NotAllowed(DispatcherError):
    """The caller's token does not reach that far."""


class LimitExceeded(DispatcherError):
    """A size or a count over its limit; the text names both."""


class StoreUnavailable(DispatcherError):
    """The database cannot be reached; nothing of the call was acknowledged."""


class StorageFull(StoreUnavailable):
    """The disk that something has to be written to is full; nothing of it was acknowledged."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"no space left for {place}: nothing was stored, and nothing that was is lost. "
            "Free some there, and try again"
        )
