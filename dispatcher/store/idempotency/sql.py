"""Idempotency keys, in SQL."""

from sqlalchemy import Connection, delete, select, update

from dispatcher.store.counters import insert_missing
from dispatcher.store.idempotency.contract import KeyedCall
from dispatcher.store.idempotency.rows import KeyedCallRow

CALLS = KeyedCallRow.__table__  # type: ignore[attr-defined]


class SqlIdempotencyKeys:
    """See `contract.IdempotencyKeys`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, key: str) -> KeyedCall | None:
        row = self._connection.execute(select(CALLS).where(CALLS.c.key == key)).mappings().first()
        return None if row is None else KeyedCall(**row)

    def take(self, call: KeyedCall) -> bool:
        new = insert_missing(self._connection, CALLS).returning(CALLS.c.key)
        return self._connection.execute(new, vars(call)).first() is not None

    def answer(self, call: KeyedCall) -> None:
        self._connection.execute(insert_missing(self._connection, CALLS), [vars(call)])
        fields = {"answer": call.answer, "holder": call.holder}
        mine = (CALLS.c.key == call.key) & (CALLS.c.digest == call.digest)
        self._connection.execute(update(CALLS).where(mine).values(fields))

    def prune(self, before: float) -> int:
        return int(self._connection.execute(delete(CALLS).where(CALLS.c.at < before)).rowcount)
