"""Runs are accepted here: all of a call or none, each exactly once however often the call is
repeated.

What can be known to be impossible is refused now, by name: an unknown target, devices that the
target lacks, a snapshot that was not uploaded. The child of a run that is being canceled is
refused, so that a cancel leaves nothing behind.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from dispatcher.access.isolation import check_accepts
from dispatcher.access.permissions import Grant
from dispatcher.access.principals import Kind, Principal
from dispatcher.access.secrets import SecretNotFound, SecretStore
from dispatcher.core.errors import (
    DispatcherError,
    InvalidSpec,
    KeyConflict,
    LimitExceeded,
    NotAllowed,
    RunConflict,
    RunNotFound,
)
from dispatcher.core.runs.lifecycle import Run, Status, first
from dispatcher.core.runs.spec import RunSpec
from dispatcher.services.catalog import Catalog
from dispatcher.services.inheritances import Inheritances
from dispatcher.services.snapshots import SnapshotService
from dispatcher.store.contract import Store, Transaction

MAX_BATCH = 20_000
MAX_DEPTH = 32


class SubmissionService:
    """Takes run specs, answers runs."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        snapshots: SnapshotService,
        inheritances: Inheritances,
        secrets: SecretStore,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._snapshots = snapshots
        self._inheritances = inheritances
        self._secrets = secrets
        self._clock = clock

    def submit(
        self,
        specs: Sequence[RunSpec],
        caller: Grant,
        first: Callable[[Transaction], None] | None = None,
    ) -> list[Run]:
        """Accept all of them, or none. A spec that is there already answers the run that is there.

        `first` is done in the same commit; what it raises refuses them.

        Raises NotAllowed, LimitExceeded, InvalidSpec, TargetNotFound, SnapshotNotFound,
        RunConflict, KeyConflict.
        """
        if len(specs) > MAX_BATCH:
            raise LimitExceeded(f"runs: {len(specs)} in one call; at most {MAX_BATCH}")
        try:
            completed = self._possible(specs, caller)
        except DispatcherError:
            runs = self._all_there(specs, caller)
            if runs is None:
                raise
            return runs  # what was possible when they were accepted need not be possible now
        open_gpus = {spec.id for spec in specs if spec.gpus is None}

        def work(tx: Transaction) -> list[Run]:
            if first is not None:
                first(tx)
            return self.add(tx, completed, caller, open_gpus=open_gpus)

        return self._store.write(work)

    def _all_there(self, specs: Sequence[RunSpec], caller: Grant) -> list[Run] | None:
        """The runs of these specs, if all were accepted already and are the caller's; else None."""
        runs = self._store.read(lambda tx: tx.runs.get([spec.id for spec in specs]))
        if any(s.id not in runs or not _is_same(runs[s.id].spec, s, s.gpus is None) for s in specs):
            return None
        if not all(caller.covers(run) for run in runs.values()):
            return None
        return [runs[spec.id] for spec in specs]

    def check(self, spec: RunSpec, caller: Grant) -> None:
        """Refuse what could not be accepted, without accepting it."""
        self._possible([spec], caller)

    def _possible(self, specs: Sequence[RunSpec], caller: Grant) -> list[RunSpec]:
        configs = self._catalog.configs()
        completed = self._catalog.complete(specs, configs)
        for target in {spec.target for spec in completed if not spec.interactive}:
            check_accepts(caller.principal, target, configs)
        self._check_outside(completed)
        self._check_secrets(completed)
        return completed

    def _check_secrets(self, specs: Sequence[RunSpec]) -> None:
        """Refuse a variable that refers to a secret which is not there."""
        for spec in specs:
            for variable, value in spec.environment_variables.items():
                try:
                    self._secrets.require(value)
                except SecretNotFound as error:
                    raise InvalidSpec(f"environment_variables.{variable}: {error}") from error

    def _check_outside(self, specs: Sequence[RunSpec]) -> None:
        self._snapshots.require({spec.snapshot for spec in specs if spec.snapshot})
        self._inheritances.require({spec.inherits for spec in specs if spec.inherits})
        contexts = {spec.environment.context for spec in specs if spec.environment}
        self._snapshots.require({context for context in contexts if context})
        for spec in specs:
            if spec.script and not spec.snapshot:
                raise InvalidSpec(f"run {spec.id}: script {spec.script!r} needs a snapshot")

    def add(
        self,
        tx: Transaction,
        specs: Sequence[RunSpec],
        caller: Grant,
        now: float | None = None,
        open_gpus: Collection[str] = (),
    ) -> list[Run]:
        """Accept specs that are known to be possible, as created `now` or at another moment.

        `open_gpus`: ids of specs that did not say how many GPUs they want.

        Raises NotAllowed for a run that is not below a run that the caller's grant covers.
        """
        found = _stored(tx, specs)
        _refuse_deleted(tx, [spec.id for spec in specs if spec.id not in found])
        there = self._there(tx, specs, found, open_gpus)
        parents = self._parents(specs, found, caller)
        now = self._clock() if now is None else now
        new: dict[str, Run] = {}
        for spec in specs:
            if spec.id in there or spec.id in new:
                continue
            parent = parents.get(spec.parent_id or "")
            submitter = _submitter(caller.principal, parent)
            if parent is not None and spec.inherits is None and parent.spec.inherits:
                spec = spec.model_copy(update={"inherits": parent.spec.inherits})
            new[spec.id] = first(spec, now=now, parent=parent, submitted_by=submitter)
        known = {parent.spec.experiment for parent in parents.values()}
        for name in {run.spec.experiment for run in new.values()} - known:
            tx.registry.experiment(name, now=now)
        stored = {run.id: run for run in tx.runs.add(list(new.values()))}
        tx.labels.label_all(
            tags={run.id: run.spec.tags for run in stored.values() if run.spec.tags},
            properties={
                run.id: run.spec.properties for run in stored.values() if run.spec.properties
            },
        )
        return [there.get(spec.id) or stored[spec.id] for spec in specs]

    def _there(
        self,
        tx: Transaction,
        specs: Sequence[RunSpec],
        stored: Mapping[str, Run],
        open_gpus: Collection[str],
    ) -> dict[str, Run]:
        """Runs that an earlier try of this call, or an earlier attempt of the parent, has made."""
        found: dict[str, Run] = {}
        for spec in specs:
            known = stored.get(spec.id)
            if known is None:
                continue
            if not _is_same(known.spec, spec, spec.id in open_gpus):
                raise RunConflict(f"run {spec.id!r} is there already, with another content")
            found[spec.id] = known
        keys: dict[str, list[str]] = {}
        for spec in specs:
            if spec.parent_id and spec.key:
                mine = keys.setdefault(spec.parent_id, [])
                if spec.key in mine:
                    raise KeyConflict(f"key {spec.key!r} comes twice in one call")
                mine.append(spec.key)
        for parent_id, wanted in keys.items():
            children = tx.runs.by_key(parent_id, wanted)
            for spec in specs:
                if spec.parent_id == parent_id and spec.key in children:
                    found[spec.id] = _same(children[spec.key], spec)
        return found

    def _parents(
        self, specs: Sequence[RunSpec], stored: Mapping[str, Run], caller: Grant
    ) -> Mapping[str, Run]:
        wanted = {spec.parent_id for spec in specs if spec.parent_id}
        if caller.tree and any(not spec.parent_id for spec in specs):
            raise NotAllowed("parent_id: a run may only submit runs below itself")
        parents = {run_id: stored[run_id] for run_id in wanted if run_id in stored}
        for parent_id in wanted:
            parent = parents.get(parent_id)
            if parent is None:
                raise RunNotFound(parent_id)
            caller.require(parent)
            if parent.status in (Status.CANCEL_REQUESTED, Status.CANCELED):
                raise RunConflict(f"parent {parent_id!r} is canceled: it can have no new children")
            if len(parent.lineage) + 1 >= MAX_DEPTH:
                raise LimitExceeded(
                    f"parent_id: {parent_id!r} is {len(parent.lineage)} deep; at most {MAX_DEPTH}"
                )
        return parents


def _stored(tx: Transaction, specs: Sequence[RunSpec]) -> dict[str, Run]:
    """The runs and their parents, as far as they are stored; parents stay as they are until the
    commit.
    """
    parents = {spec.parent_id for spec in specs if spec.parent_id}
    return tx.runs.get(dict.fromkeys([*(s.id for s in specs), *parents]), lock=bool(parents))


def _refuse_deleted(tx: Transaction, ids: Sequence[str]) -> None:
    """Raise RunConflict for an id of a deleted run: a late repetition must not run it again."""
    for run_id in tx.deletions.find(ids):
        raise RunConflict(f"run {run_id!r} was deleted: submit under another id")


def _submitter(caller: Principal, parent: Run | None) -> str:
    """Who answers for a new run. The trials of a sweep are their sweep's submitter's."""
    return parent.submitted_by if caller.kind is Kind.SERVICE and parent else caller.person


def _same(known: Run, spec: RunSpec) -> Run:
    if known.spec.key_hash != spec.key_hash:
        raise KeyConflict(
            f"key {spec.key!r} of parent {spec.parent_id!r} belongs to child {known.id!r}, which "
            "was submitted with another configuration"
        )
    return known


def _is_same(known: RunSpec, spec: RunSpec, gpus_are_open: bool) -> bool:
    """Whether a repeated spec asks for what was accepted.

    GPUs that it leaves open were filled in from the target's capacity at that time. It may come
    from another shell: the accepted run inherits from the first one.
    """
    if known.inherits != spec.inherits:
        spec = spec.model_copy(update={"inherits": known.inherits})
    if gpus_are_open and known.gpus != spec.gpus:
        spec = spec.model_copy(update={"gpus": known.gpus})
    return known == spec
