"""`LeaseContract`: a lease has one holder, and its token grows with each."""

from dispatcher.store.contract import Store
from dispatcher.store.leases.contract import Holder, LeaseState


def acquire(store: Store, name: str, now: float, abandoned: LeaseState | None = None) -> int | None:
    holder = Holder(*name.split("#"))
    return store.write(
        lambda tx: tx.leases.acquire("l", holder, now=now, ttl=10, abandoned=abandoned)
    )


class LeaseContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_lease_is_held_by_one_and_its_token_grows_with_each_holder(
        self, store: Store
    ) -> None:
        assert acquire(store, "a#1", 0.0) == 1
        assert acquire(store, "b#1", 5.0) is None
        assert acquire(store, "a#1", 6.0) == 1
        assert acquire(store, "b#1", 17.0) == 2
        assert store.read(lambda tx: tx.leases.fenced("l", 1))
        assert not store.read(lambda tx: tx.leases.fenced("l", 2))

    def test_a_lease_that_is_abandoned_can_be_taken_before_it_runs_out(self, store: Store) -> None:
        assert store.read(lambda tx: tx.leases.state("l")) is None
        assert acquire(store, "a#1", 0.0) == 1
        state = store.read(lambda tx: tx.leases.state("l"))
        assert state == LeaseState("a#1", 1, 10.0)
        assert acquire(store, "a#1", 1.0) == 1  # it was renewed meanwhile
        assert acquire(store, "b#1", 2.0, state) is None
        state = store.read(lambda tx: tx.leases.state("l"))
        assert acquire(store, "b#1", 2.0, state) == 2

    def test_who_comes_after_a_process_of_its_instance_need_not_wait_and_fences_it_off(
        self, store: Store
    ) -> None:
        assert acquire(store, "a#1", 0.0) == 1
        assert acquire(store, "a#2", 1.0) == 2
        assert store.read(lambda tx: tx.leases.fenced("l", 1))
        assert acquire(store, "ab#1", 2.0) is None
