"""Leases in SQL."""

from sqlalchemy import Connection, bindparam, select, update

from dispatcher.store.counters import insert_missing
from dispatcher.store.leases.contract import Holder, LeaseState
from dispatcher.store.leases.rows import LeaseRow

LEASES = LeaseRow.__table__  # type: ignore[attr-defined]
_TOKEN = (
    select(LEASES.c.token).where(LEASES.c.name == bindparam("lease")).with_for_update(read=True)
)


class SqlLeases:
    """See `contract.Leases`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def acquire(
        self,
        name: str,
        holder: Holder,
        *,
        now: float,
        ttl: float,
        abandoned: LeaseState | None = None,
    ) -> int | None:
        new = {"name": name, "holder": "", "token": 0, "expires": 0.0}
        self._connection.execute(insert_missing(self._connection, LEASES), [new])
        row = self._connection.execute(
            select(LEASES).where(LEASES.c.name == name).with_for_update()
        ).one()
        is_free = row.expires <= now or LeaseState(row.holder, row.token, row.expires) == abandoned
        if not holder.may_replace(row.holder) and not is_free:
            return None
        token = int(row.token) + (row.holder != str(holder))
        self._connection.execute(
            update(LEASES)
            .where(LEASES.c.name == name)
            .values(holder=str(holder), token=token, expires=now + ttl)
        )
        return int(token)

    def state(self, name: str) -> LeaseState | None:
        row = self._connection.execute(select(LEASES).where(LEASES.c.name == name)).first()
        return None if row is None else LeaseState(row.holder, row.token, row.expires)

    def fenced(self, name: str, token: int) -> bool:
        held = self._connection.execute(_TOKEN, {"lease": name}).scalar()
        return bool(held != token)
