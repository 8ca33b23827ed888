"""Loads every noun's tables, so that `METADATA` holds the whole schema."""

from sqlmodel import SQLModel

from dispatcher.store import counters as _counters  # noqa: F401
from dispatcher.store.artifacts import rows as _artifacts  # noqa: F401
from dispatcher.store.documents import rows as _documents  # noqa: F401
from dispatcher.store.environments import rows as _environments  # noqa: F401
from dispatcher.store.events import rows as _events  # noqa: F401
from dispatcher.store.idempotency import rows as _idempotency  # noqa: F401
from dispatcher.store.labels import rows as _labels  # noqa: F401
from dispatcher.store.leases import rows as _leases  # noqa: F401
from dispatcher.store.metrics import rows as _metrics  # noqa: F401
from dispatcher.store.registry import rows as _registry  # noqa: F401
from dispatcher.store.retention import rows as _retention  # noqa: F401
from dispatcher.store.runs import rows as _runs  # noqa: F401
from dispatcher.store.sweeps import rows as _sweeps  # noqa: F401
from dispatcher.store.tokens import rows as _tokens  # noqa: F401

METADATA = SQLModel.metadata
