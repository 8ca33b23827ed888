"""`TokenContract`: what every store keeps of tokens."""

from dataclasses import replace

from dispatcher.store.contract import Store
from dispatcher.store.tokens.contract import StoredToken

ADA = StoredToken("t1", "a" * 64, "user", "ada", "contributor", "user:owner", 1.0, 9.0)
BOT = StoredToken("t2", "b" * 64, "service_account", "bot", "reader", "user:owner", 2.0)


class TokenContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_tokens_are_found_by_their_hash_and_listed_in_order(self, store: Store) -> None:
        for token in (BOT, ADA):
            store.write(lambda tx, each=token: tx.tokens.add(each))  # type: ignore[misc]
        assert store.read(lambda tx: tx.tokens.all()) == [ADA, BOT]
        assert store.read(lambda tx: tx.tokens.by_hash("a" * 64)) == ADA
        assert store.read(lambda tx: tx.tokens.by_hash("c" * 64)) is None

    def test_a_token_is_revoked_and_its_use_is_noted(self, store: Store) -> None:
        store.write(lambda tx: tx.tokens.add(ADA))
        assert store.write(lambda tx: tx.tokens.change("t1", {"last_used_at": 3.0}))
        assert store.write(lambda tx: tx.tokens.change("t1", {"revoked_at": 4.0}))
        assert not store.write(lambda tx: tx.tokens.change("none", {"revoked_at": 4.0}))
        expected = replace(ADA, last_used_at=3.0, revoked_at=4.0)
        assert store.read(lambda tx: tx.tokens.by_hash("a" * 64)) == expected
        kinds = [event.kind for event in store.read(lambda tx: tx.events.after(0, 10))]
        assert kinds == ["token.Created", "token.Revoked"]
