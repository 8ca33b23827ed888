"""`ArtifactContract`: what every store keeps of the files of runs."""

import pytest

from dispatcher.core.errors import ArtifactConflict
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.contract import Store


def put(store: Store, *artifacts: Artifact) -> None:
    store.write(lambda tx: tx.artifacts.add(artifacts))


class ArtifactContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_file_of_a_run_is_written_once_by_each_attempt(self, store: Store) -> None:
        first, later = Artifact("r", "a", "1", 1, 1.0), Artifact("r", "a", "2", 2, 2.0, attempt=2)
        put(store, first)
        put(store, first)
        with pytest.raises(ArtifactConflict, match=r"'a'.*1.*2"):
            put(store, Artifact("r", "b", "1", 1, 1.0), Artifact("r", "a", "2", 1, 1.0))
        assert store.read(lambda tx: tx.artifacts.find("r", ["a", "b"])) == {"a": first}
        put(store, later)
        put(store, first)
        assert store.read(lambda tx: tx.artifacts.find("r", ["a"])) == {"a": later}
        assert store.read(lambda tx: tx.artifacts.find("s", ["a"])) == {}

    def test_files_are_listed_by_prefix_and_page_by_page(self, store: Store) -> None:
        names = ["A/1", "a%", "a/1", "a/2", "a/é", "a0", "b"]
        put(store, *(Artifact("r", name, "1", 1, 1.0) for name in reversed(names)))

        def page(prefix: str = "", after: str = "", limit: int = 9) -> list[str]:
            found = store.read(
                lambda tx: tx.artifacts.page("r", prefix=prefix, after=after, limit=limit)
            )
            return [artifact.name for artifact in found]

        assert page() == names
        assert page("a/") == ["a/1", "a/2", "a/é"]
        assert page("a/", after="a/1", limit=1) == ["a/2"]
        assert page("a%") == ["a%"]
        assert page("c") == []

    def test_a_file_can_be_replaced_and_forgotten(self, store: Store) -> None:
        put(store, Artifact("r", "a", "1", 1, 1.0), Artifact("r", "b", "1", 1, 1.0))
        store.write(lambda tx: tx.artifacts.replace(Artifact("r", "a", "2", 2, 2.0)))
        assert store.read(lambda tx: tx.artifacts.find("r", ["a"]))["a"].sha256 == "2"
        store.write(lambda tx: tx.artifacts.remove("r", ["a", "no"]))
        assert list(store.read(lambda tx: tx.artifacts.find("r", ["a", "b"]))) == ["b"]
