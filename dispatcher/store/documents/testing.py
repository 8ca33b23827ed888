"""`DocumentContract`: what every store keeps of documents beside runs."""

from dataclasses import replace

from dispatcher.store.contract import Store
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.runs.testing import add, make


class DocumentContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_records_are_replaced_found_and_removed(self, store: Store) -> None:
        add(store, make("r"), make("s", experiment="other"))
        one, two = (
            RunDocument("model", "r", "m1", {"a": 1}, name="n"),
            RunDocument("data", "s", "d", {}),
        )
        store.write(lambda tx: tx.documents.put([one, two]))
        changed = replace(one, body={"a": [2]}, digest="x", context="y")
        store.write(lambda tx: tx.documents.put([changed, RunDocument("model", "s", "m2", {})]))
        assert store.read(lambda tx: tx.documents.of_runs(["r"], ["model"])) == {"r": [changed]}
        assert store.read(lambda tx: tx.documents.find("model", ["m1", "no"])) == {"m1": changed}
        found = store.read(lambda tx: tx.documents.of_experiments("model", ["e", "other"]))
        assert [record.id for record in found] == ["m1", "m2"]
        assert store.read(lambda tx: tx.documents.of_experiments("data", ["e"])) == []
        store.write(lambda tx: tx.documents.remove("model", "r", "m1"))
        assert store.read(lambda tx: tx.documents.find("model", ["m1"])) == {}
