"""`RegistryContract`: experiments, targets and facts of the installation."""

from dataclasses import replace

from dispatcher.store.contract import Store


class RegistryContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_registry_entries_come_back(self, store: Store) -> None:
        one = store.write(lambda tx: tx.registry.experiment("e", now=1.0))
        assert store.write(lambda tx: tx.registry.experiment("e", now=2.0)) == one
        assert store.read(lambda tx: tx.registry.experiments()) == [one]
        store.write(lambda tx: tx.registry.put_target("t", {"kind": "local"}))
        store.write(lambda tx: tx.registry.put_target("t", {"kind": "ray"}))
        assert store.read(lambda tx: tx.registry.targets()) == {"t": {"kind": "ray"}}
        assert store.write(lambda tx: tx.registry.delete_target("t"))
        assert not store.write(lambda tx: tx.registry.delete_target("t"))
        assert store.write(lambda tx: tx.registry.meta("m", "1")) == "1"
        assert store.write(lambda tx: tx.registry.meta("m", "2")) == "1"
        store.write(lambda tx: tx.registry.put_meta("m", "3"))
        assert store.read(lambda tx: tx.registry.meta("m", "2")) == "3"
        assert store.read(lambda tx: tx.registry.find_meta("m")) == "3"
        store.write(lambda tx: tx.registry.delete_meta("m"))
        assert store.read(lambda tx: tx.registry.find_meta("m")) is None

    def test_an_experiment_changes_and_can_be_deleted(self, store: Store) -> None:
        made = store.write(lambda tx: tx.registry.experiment("e", now=1.0))
        changed = replace(made, tags={"a": None}, archived_at=3.0)
        store.write(lambda tx: tx.registry.put_experiment(changed))
        assert store.read(lambda tx: tx.registry.experiments()) == [changed]
        store.write(lambda tx: tx.registry.delete_experiment("e"))
        assert store.read(lambda tx: tx.registry.experiments()) == []

    def test_experiments_are_found_by_name_and_id(self, store: Store) -> None:
        made = store.write(lambda tx: tx.registry.experiment("e", now=1.0))
        assert store.read(lambda tx: tx.registry.find_experiments(["e", "f"])) == {"e": made}
        assert store.read(lambda tx: tx.registry.experiment_by_id(made.id)) == made
        assert store.read(lambda tx: tx.registry.experiment_by_id("0")) is None
