"""What the store in memory holds."""

import copy
from dataclasses import dataclass, field
from typing import Any

from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.sweeps.sweep import Sweep
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.environments.contract import RegisteredEnvironment
from dispatcher.store.events.contract import RecordedEvent
from dispatcher.store.idempotency.contract import KeyedCall
from dispatcher.store.metrics.contract import Point
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.retention.contract import DeletedRun
from dispatcher.store.tokens.contract import StoredToken

Pairs = dict[str, str | None]


@dataclass
class MemoryState:
    """Everything that is kept. Copied before a write, so that one that raises changes nothing."""

    runs: dict[str, Run] = field(default_factory=dict)
    events: list[RecordedEvent] = field(default_factory=list)
    tags: dict[str, Pairs] = field(default_factory=dict)
    properties: dict[str, Pairs] = field(default_factory=dict)
    offsets: dict[tuple[str, int, str], int] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    artifacts: dict[tuple[str, str], Artifact] = field(default_factory=dict)
    params: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    records: dict[tuple[str, str, str], RunDocument] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    environments: dict[tuple[str, int], RegisteredEnvironment] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    keyed_calls: dict[str, KeyedCall] = field(default_factory=dict)
    tokens: dict[str, StoredToken] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    leases: dict[str, tuple[str, int, float]] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    deleted_runs: dict[str, DeletedRun] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def copied(self) -> "MemoryState":
        """Deep enough: values are frozen, containers are not."""
        fields: dict[str, Any] = {name: copy.copy(value) for name, value in vars(self).items()}
        for name in ("tags", "properties"):
            fields[name] = {key: copy.copy(inner) for key, inner in fields[name].items()}
        return MemoryState(**fields)
