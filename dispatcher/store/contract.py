"""What a store keeps, as the services see it. `StoreContract` (store/testing.py) tests every
promise here.

All changes go through `Store.write(work)`: `work` is called with a transaction, perhaps more than
once and together with others' in one commit, so it must not do anything but read and write the
store. What it raises undoes its own changes alone. When `write` has returned, the change is
durable.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from dispatcher.core.lifecycle import Run
from dispatcher.core.sweeps import Sweep
from dispatcher.store.records import (
    Artifact,
    Change,
    Experiment,
    Holder,
    Latest,
    Number,
    Point,
    Record,
    RecordedEvent,
    RegisteredEnvironment,
    RunQuery,
    RunSearch,
    Sample,
)

T = TypeVar("T")
OnCommit = Callable[[Sequence[Run]], None]


class Runs(Protocol):
    def add(self, runs: Sequence[Run]) -> list[Run]:
        """Store new runs; answers them with `seq` and `number` set, in the order given."""

    def get(self, ids: Collection[str], *, lock: bool = False) -> dict[str, Run]:
        """The runs of these ids that are there. `lock` keeps others from changing them until the
        commit.
        """

    def by_key(self, parent_id: str, keys: Collection[str]) -> dict[str, Run]:
        """Children of a parent by their durable key."""

    def save(self, changes: Sequence[Change]) -> set[str]:
        """Store each change whose run is still as it was read, with its events; answers the ids of
        the others.
        """

    def owed(self) -> list[Run]:
        """Runs that have something on a target: placed and not released."""

    def queue(self, target: str, limit: int) -> list[Run]:
        """Queued runs of a target: highest priority first, then oldest."""

    def queued_targets(self) -> set[str]:
        """Targets for which at least one run is queued."""

    def query(self, query: RunQuery) -> list[Run]:
        """List runs, newest first."""

    def search(self, search: RunSearch) -> list[Run]:
        """Find runs by their metrics, params, tags and data sets."""

    def open_below(self, run_id: str) -> list[Run]:
        """Descendants that have not ended."""

    def children_by_status(self, parents: Collection[str]) -> dict[str, dict[str, int]]:
        """How many direct children each of these runs has, by status."""

    def events(self, run_id: str) -> list[RecordedEvent]:
        """All events of a run, oldest first."""


class Labels(Protocol):
    def tags(self, ids: Collection[str]) -> dict[str, dict[str, str | None]]: ...
    def properties(self, ids: Collection[str]) -> dict[str, dict[str, str | None]]: ...
    def properties_like(self, prefix: str) -> list[tuple[str, str, str | None]]:
        """(run, key, value) of all properties, of any run, whose keys start so."""

    def label_all(
        self,
        tags: Mapping[str, Mapping[str, str | None]],
        properties: Mapping[str, Mapping[str, str | None]],
    ) -> None:
        """Give new runs their first tags and properties."""

    def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> None: ...
    def remove_tags(self, run_id: str, keys: Collection[str]) -> None: ...
    def add_properties(self, run_id: str, properties: Mapping[str, str | None]) -> None:
        """Add them; raises PropertyConflict (and changes nothing) if one is there with another
        value.
        """

    def describe(self, run_id: str, fields: Mapping[str, str | None]) -> None:
        """Set display_name, description or child_policy."""


class Telemetry(Protocol):
    def offsets(self, streams: Collection[tuple[str, int, str]]) -> dict[tuple[str, int, str], int]:
        """Up to which offset each (run, attempt, stream) is held; 0 if nothing is."""

    def advance(self, offsets: Mapping[tuple[str, int, str], int]) -> None: ...
    def add_points(self, points: Sequence[Point]) -> None: ...
    def add_numbers(self, run_id: str, attempt: int, numbers: Sequence[Number]) -> None:
        """The same as points of kind scalar, without making one of each: a batch is a thousand."""

    def points(
        self,
        ids: Collection[str],
        name: str | None = None,
        attempts: Mapping[str, int] | None = None,
    ) -> dict[str, list[Point]]:
        """Points of these runs in logging order."""

    def latest(self, attempts: Mapping[str, int]) -> dict[str, dict[str, Latest]]:
        """The newest number of each metric of these runs, in the attempt named."""

    def history(
        self, run_id: str, name: str, attempt: int, *, after: int = 0, limit: int | None = None
    ) -> list[Sample]:
        """All numbers of a metric in logging order, from after a place on."""

    def streams(self, run_id: str) -> list[tuple[int, str, int]]:
        """(attempt, stream, size) of all that came from a run."""


class Params(Protocol):
    def add(self, run_id: str, attempt: int, params: Mapping[str, str]) -> None:
        """Add them; raises ParamConflict (and changes nothing) if this attempt has one with another
        value. What an earlier attempt has left is replaced.
        """

    def of(self, attempts: Mapping[str, int]) -> dict[str, dict[str, str]]:
        """The params of these runs, of the attempt named."""


class Records(Protocol):
    def put(self, records: Sequence[Record]) -> None:
        """Keep them; what is there under the same kind, run and id is replaced."""

    def remove(self, kind: str, run_id: str, record_id: str) -> None: ...
    def of_runs(self, ids: Collection[str], kinds: Collection[str]) -> dict[str, list[Record]]:
        """The records of these runs and kinds, oldest first."""

    def find(self, kind: str, ids: Collection[str]) -> dict[str, Record]:
        """Records by their id, which is unique within a kind for those asked for like this."""

    def of_experiments(self, kind: str, experiments: Collection[str]) -> list[Record]:
        """The records of all runs of these experiments, oldest first."""


class Artifacts(Protocol):
    def add(self, artifacts: Sequence[Artifact]) -> None:
        """Note files of runs. What an earlier attempt left under a name is replaced, what a later
        one did stays. Raises ArtifactConflict (and changes nothing) if the same attempt has
        another content under a name.
        """

    def replace(self, artifact: Artifact) -> None:
        """Note a file whatever is there under its name."""

    def remove(self, run_id: str, names: Collection[str]) -> None:
        """Forget these files; their contents may be others' too, and stay."""

    def find(self, run_id: str, names: Collection[str]) -> dict[str, Artifact]:
        """The files of these names that are there."""

    def page(self, run_id: str, *, prefix: str, after: str, limit: int) -> list[Artifact]:
        """Files whose names start with `prefix` and come after `after`, in byte order."""


class Registry(Protocol):
    def experiment(self, name: str, *, now: float, new_id: str | None = None) -> Experiment:
        """Get or create, then under `new_id` or a fresh id."""

    def experiments(self) -> list[Experiment]: ...
    def find_experiments(self, names: Collection[str]) -> dict[str, Experiment]:
        """Those of these names that are there, by name."""

    def experiment_by_id(self, experiment_id: str) -> Experiment | None: ...
    def put_experiment(self, experiment: Experiment) -> None:
        """Replace its tags and when it was archived."""

    def delete_experiment(self, name: str) -> None: ...
    def targets(self) -> dict[str, dict[str, Any]]: ...
    def put_target(self, name: str, config: Mapping[str, Any]) -> None: ...
    def delete_target(self, name: str) -> bool: ...
    def recall(self, key: str) -> tuple[str, str] | None:
        """What an idempotency key was answered with: (hash of the request, answer)."""

    def remember(self, key: str, digest: str, answer: str, *, now: float) -> None: ...
    def meta(self, key: str, default: str) -> str:
        """A fact of this installation; stored as `default` the first time."""

    def put_meta(self, key: str, value: str) -> None:
        """Change such a fact."""

    def acquire(self, name: str, holder: Holder, *, now: float, ttl: float) -> int | None:
        """Take or renew a lease; its fencing token, or None while another house holds it."""

    def fenced(self, name: str, token: int) -> bool:
        """Whether a lease with this token has been taken over by another."""


class Sweeps(Protocol):
    def put(self, sweep: Sweep) -> None:
        """Keep it; what is there of the same run is replaced."""

    def get(self, ids: Collection[str]) -> dict[str, Sweep]:
        """The sweeps of these runs that are there."""

    def unfinished(self) -> dict[str, Sweep]:
        """All sweeps that are not over."""


class Environments(Protocol):
    def add(self, environment: RegisteredEnvironment) -> bool:
        """Keep it; False (and nothing is changed) if that version is there."""

    def find(self, name: str, version: int | None = None) -> RegisteredEnvironment | None:
        """One version of an environment, by default the latest."""

    def latest(self) -> list[RegisteredEnvironment]:
        """The latest version of each, by name."""

    def versions(self, name: str) -> list[RegisteredEnvironment]:
        """All versions of one, the latest first."""


class Transaction(Protocol):
    @property
    def runs(self) -> Runs: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def params(self) -> Params: ...
    @property
    def records(self) -> Records: ...
    @property
    def artifacts(self) -> Artifacts: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def sweeps(self) -> Sweeps: ...
    @property
    def environments(self) -> Environments: ...


class Store(Protocol):
    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do the work in a transaction; durable on return. Raises StoreUnavailable."""

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Look at one consistent state. Raises StoreUnavailable."""

    def on_commit(self, listener: OnCommit) -> None:
        """Call `listener` after each commit of this process with the runs that it changed."""

    def close(self) -> None: ...


def wanted(
    filters: Iterable[tuple[str, tuple[str | None] | None]], have: Mapping[str, str | None]
) -> bool:
    """Whether labels satisfy tag or property filters (the rule, as `memory.py` uses it)."""
    return all(key in have and (value is None or have[key] == value[0]) for key, value in filters)
