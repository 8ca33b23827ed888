"""`ReferenceContract`: what every store knows of what refers to contents and logs."""

from dataclasses import replace
from typing import Any

from dispatcher.core.sweeps.sweep import Sweep, SweepSpec
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.contract import Store
from dispatcher.store.retention.contract import StoredSize
from dispatcher.store.runs.testing import add, make

A, B, C, D, E = ("aa" + "1" * 62, "ab" + "2" * 62, "c" * 64, "d" * 64, "e" * 64)


def artifact(run_id: str, name: str, sha256: str, size: int = 1) -> Artifact:
    return Artifact(run_id, name, sha256, size, 1.0)


def sweep(run_id: str, snapshot: str, context: str) -> Sweep:
    environment = {"dockerfile": "FROM x", "context": context}
    trial = make("t", snapshot=snapshot, environment=environment).spec
    space: dict[str, Any] = {"name": "RANDOM", "parameter_space": {"lr": ["uniform", [0, 1]]}}
    fields = {"id": run_id, "experiment": "e", "trial": trial.model_dump(exclude_defaults=True)}
    limits = {"max_total_runs": 1, "max_concurrent_runs": 1}
    metric = {"name": "m", "goal": "maximize"}
    spec = {**fields, **limits, "sampling": space, "primary_metric": metric}
    return Sweep(run_id, SweepSpec.model_validate(spec))


class ReferenceContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_contents_of_files_are_found_by_the_start_of_their_hash(self, store: Store) -> None:
        files = [artifact("r", "a", A), artifact("s", "a", A), artifact("r", "b", B)]
        store.write(lambda tx: tx.artifacts.add(files))
        assert store.read(lambda tx: tx.references.artifacts("aa")) == {A}
        assert store.read(lambda tx: tx.references.artifacts("a")) == {A, B}
        assert store.read(lambda tx: tx.references.artifacts("b")) == set()

    def test_snapshots_and_build_contexts_of_runs_are_referred_to(self, store: Store) -> None:
        add(store, make("r", snapshot=C, environment={"dockerfile": "FROM x", "context": D}))
        add(store, make("s", snapshot=C), make("t"))
        store.write(lambda tx: tx.artifacts.add([artifact("r", "a", A)]))
        assert store.read(lambda tx: tx.references.snapshots()) == {C, D}
        assert store.read(lambda tx: tx.references.among([A, B, C, D, E])) == {A, C, D}

    def test_what_further_trials_of_an_open_sweep_start_from_is_referred_to(
        self, store: Store
    ) -> None:
        open_sweep = sweep("one", C, D)
        store.write(lambda tx: tx.sweeps.put(open_sweep))
        store.write(lambda tx: tx.sweeps.put(replace(sweep("two", E, E), over=True)))
        assert store.read(lambda tx: tx.references.snapshots()) == {C, D}
        assert store.read(lambda tx: tx.references.among([C, D, E])) == {C, D}

    def test_logs_are_listed_page_by_page(self, store: Store) -> None:
        keys = [("r", 1, "log:a"), ("r", 1, "metrics"), ("r", 2, "log:a"), ("s", 1, "log:b")]
        store.write(lambda tx: tx.metrics.advance(dict.fromkeys(keys, 5)))
        first = store.read(lambda tx: tx.references.logs(None, 2))
        assert first == [keys[0], keys[2]]
        assert store.read(lambda tx: tx.references.logs(first[-1], 2)) == [keys[3]]

    def test_a_tree_is_as_large_as_all_its_runs(self, store: Store) -> None:
        [top] = add(store, make("top"))
        [child] = add(store, make("child", top))
        add(store, make("grandchild", child), make("topmost"))
        names = ("top", "child", "grandchild", "topmost")
        files = [artifact(name, "a", A, 10**k) for k, name in enumerate(names)]
        store.write(lambda tx: tx.artifacts.add(files))
        sizes = store.read(lambda tx: tx.references.tree_sizes(["top", "child", "topmost"]))
        assert sizes == {"top": 111, "child": 110, "topmost": 1000}

    def test_the_largest_runs_and_experiments_are_told(self, store: Store) -> None:
        add(store, make("r"), make("s", experiment="f"), make("t", experiment="f"), make("empty"))
        files = [artifact("r", "a", A, 10), artifact("s", "a", A, 4), artifact("gone", "a", A, 99)]
        store.write(lambda tx: tx.artifacts.add(files))
        sizes = {("s", 1, "log:a"): 3, ("t", 1, "log:a"): 5, ("t", 1, "metrics"): 99}
        store.write(lambda tx: tx.metrics.advance(sizes))
        assert store.read(lambda tx: tx.references.largest_runs(2)) == [
            StoredSize("r", "e", 10, 0),
            StoredSize("s", "f", 4, 3),
        ]
        assert store.read(lambda tx: tx.references.total_size()) == 22
        trees = store.read(lambda tx: tx.references.tree_sizes(["s", "none", "r"]))
        assert trees == {"s": 7, "none": 0, "r": 10}
        assert store.read(lambda tx: tx.references.largest_experiments(9)) == [
            StoredSize("f", "f", 4, 8),
            StoredSize("e", "e", 10, 0),
        ]
