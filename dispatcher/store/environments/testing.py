"""`EnvironmentContract`: what every store keeps of registered environments."""

from dataclasses import replace

from dispatcher.store.contract import Store
from dispatcher.store.environments.contract import RegisteredEnvironment


def version(name: str, number: int) -> RegisteredEnvironment:
    return RegisteredEnvironment(name, number, f"d{number}", {"n": {"é": [number, None]}}, 1.5)


class EnvironmentContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_version_is_kept_once_and_the_first_one_stays(self, store: Store) -> None:
        first = version("a", 1)
        other = RegisteredEnvironment("a", 1, "other", {}, 2.0)
        assert store.write(lambda tx: tx.environments.add(first))
        assert not store.write(lambda tx: tx.environments.add(other))
        assert store.read(lambda tx: tx.environments.find("a", 1)) == first

    def test_a_version_that_does_not_move_the_latest_is_found_by_its_number(
        self, store: Store
    ) -> None:
        aside = replace(version("a", 2), registered_by="run:r", submitter="b", moves_latest=False)
        for each in (version("a", 1), aside):
            store.write(lambda tx, one=each: tx.environments.add(one))  # type: ignore[misc]
        assert store.read(lambda tx: tx.environments.find("a")) == version("a", 1)
        assert store.read(lambda tx: tx.environments.latest()) == [version("a", 1)]
        assert store.read(lambda tx: tx.environments.find("a", 2)) == aside
        assert store.read(lambda tx: tx.environments.last("a")) == aside
        assert store.read(lambda tx: tx.environments.last("b")) is None
        assert store.read(lambda tx: tx.environments.versions("a")) == [aside, version("a", 1)]

    def test_the_latest_version_is_the_highest_number(self, store: Store) -> None:
        for name, number in (("b", 2), ("b", 10), ("b", 9), ("a", 1)):
            store.write(lambda tx, n=name, k=number: tx.environments.add(version(n, k)))  # type: ignore[misc]
        assert store.read(lambda tx: tx.environments.find("b")) == version("b", 10)
        assert store.read(lambda tx: tx.environments.find("b", 2)) == version("b", 2)
        assert store.read(lambda tx: tx.environments.find("b", 3)) is None
        assert store.read(lambda tx: tx.environments.find("c")) is None
        assert store.read(lambda tx: tx.environments.latest()) == [
            version("a", 1),
            version("b", 10),
        ]
        numbers = [each.version for each in store.read(lambda tx: tx.environments.versions("b"))]
        assert numbers == [10, 9, 2]
