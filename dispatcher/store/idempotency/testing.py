"""`IdempotencyContract`: what every store keeps of idempotency keys."""

import pytest

from dispatcher.store.contract import Store, Transaction
from dispatcher.store.idempotency.contract import KeyedCall


class IdempotencyContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_key_is_claimed_once_and_answered(self, store: Store) -> None:
        call = KeyedCall("k", "d", "one", 1.0)
        assert store.write(lambda tx: tx.idempotency.take(call))
        other = KeyedCall("k", "d", "two", 2.0)
        assert not store.write(lambda tx: tx.idempotency.take(other))
        assert store.read(lambda tx: tx.idempotency.find("k")) == call
        answered = KeyedCall("k", "d", "one", 1.0, "answer")
        store.write(lambda tx: tx.idempotency.answer(answered))
        assert store.read(lambda tx: tx.idempotency.find("k")) == answered

    def test_an_answer_without_a_claim_is_recorded_and_never_that_of_another_request(
        self, store: Store
    ) -> None:
        first = KeyedCall("k", "d", "one", 1.0, "first")
        store.write(lambda tx: tx.idempotency.answer(first))
        store.write(lambda tx: tx.idempotency.answer(KeyedCall("k", "e", "two", 1.0, "other")))
        assert store.read(lambda tx: tx.idempotency.find("k")) == first

    def test_a_claim_goes_with_the_work_that_raises(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.idempotency.take(KeyedCall("k", "d", "one", 1.0))
            raise ValueError("refused")

        with pytest.raises(ValueError, match="refused"):
            store.write(work)
        assert store.read(lambda tx: tx.idempotency.find("k")) is None

    def test_old_calls_are_forgotten(self, store: Store) -> None:
        for key, at in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
            store.write(lambda tx, k=key, t=at: tx.idempotency.take(KeyedCall(k, "d", "h", t)))  # type: ignore[misc]
        assert store.write(lambda tx: tx.idempotency.prune(2.5)) == 2
        assert store.read(lambda tx: tx.idempotency.find("b")) is None
        assert store.read(lambda tx: tx.idempotency.find("c")) is not None
