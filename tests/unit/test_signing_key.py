"""The signing key lies in a file of its own, and never in the database."""

import stat
from pathlib import Path

import pytest

from dispatcher.access.keys import FILE, WrongKey, signing_key
from dispatcher.access.tokens import TokenService
from dispatcher.core.errors import NotAllowed
from dispatcher.store.contract import Store
from dispatcher.store.memory import MemoryStore
from dispatcher.store.runs.testing import add, make
from dispatcher.store.sql import SqlStore


def tokens(data: Path, store: Store, configured: str = "") -> TokenService:
    return TokenService(store, signing_key(data, store, configured), "owner's")


def test_the_key_is_a_private_file_and_the_same_after_a_restart(tmp_path: Path) -> None:
    store = MemoryStore()
    first = signing_key(tmp_path, store, "")
    assert signing_key(tmp_path, store, "") == first
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_secret_of_an_earlier_release_is_moved_and_its_tokens_stay_valid(
    tmp_path: Path,
) -> None:
    file = tmp_path / "dispatcher.db"
    store = SqlStore(f"sqlite:///{file}")
    secret = "c0ffee" * 10 + "0123"
    store.write(lambda tx: tx.registry.put_meta("secret", secret))
    add(store, make("live"))
    issued = TokenService(store, bytes.fromhex(secret), "").run_token("live", 1)
    assert tokens(tmp_path, store).identify(issued).name == "live"
    store.close()
    assert secret.encode() not in file.read_bytes()
    assert (tmp_path / FILE).read_text() == secret
    again = SqlStore(f"sqlite:///{file}")
    assert tokens(tmp_path, again).identify(issued).name == "live"
    again.close()


def test_a_crash_before_the_secret_left_the_database_changes_no_key(tmp_path: Path) -> None:
    store = MemoryStore()
    store.write(lambda tx: tx.registry.put_meta("secret", "ab" * 32))
    first = signing_key(tmp_path, store, "")
    store.write(lambda tx: tx.registry.put_meta("secret", "ab" * 32))  # it came to the file only
    assert signing_key(tmp_path, store, "") == first == bytes.fromhex("ab" * 32)
    assert store.read(lambda tx: tx.registry.find_meta("secret")) is None


def test_a_key_of_the_environment_is_written_nowhere(tmp_path: Path) -> None:
    store = MemoryStore()
    signing_key(tmp_path, store, "a key of the environment, 39 characters")
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused_naming_its_source_and_the_limit(tmp_path: Path) -> None:
    with pytest.raises(WrongKey, match=r"DISPATCHER_SIGNING_KEY: 5 characters.*at least 32"):
        signing_key(tmp_path, MemoryStore(), "short")


def test_services_of_one_database_must_have_the_same_key(tmp_path: Path) -> None:
    store = MemoryStore()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    signing_key(tmp_path / "a", store, "")
    with pytest.raises(WrongKey, match="same DISPATCHER_SIGNING_KEY"):
        signing_key(tmp_path / "b", store, "")
    (tmp_path / "b" / FILE).write_bytes((tmp_path / "a" / FILE).read_bytes())
    add(store, make("r"))
    issued = tokens(tmp_path / "a", store).run_token("r", 1)
    assert tokens(tmp_path / "b", store).identify(issued).name == "r"


def test_a_token_under_another_key_is_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    add(store, make("r"))
    forged = TokenService(store, b"x" * 32, "").run_token("r", 1)
    with pytest.raises(NotAllowed):
        tokens(tmp_path, store).identify(forged)


def test_another_key_than_an_earlier_releases_is_refused_and_that_one_is_kept(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    earlier = "ab" * 32  # the tokens of live runs are signed with it
    store.write(lambda tx: tx.registry.put_meta("secret", earlier))
    with pytest.raises(WrongKey, match="start one service without"):
        signing_key(tmp_path, store, "a key of the environment, 39 characters")
    assert store.read(lambda tx: tx.registry.find_meta("secret")) == earlier
    assert signing_key(tmp_path, store, earlier) == bytes.fromhex(earlier)
    assert store.read(lambda tx: tx.registry.find_meta("secret")) is None
