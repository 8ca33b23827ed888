"""`SweepContract`: what every store keeps of sweeps."""

from dataclasses import replace
from typing import Any

from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.sweeps.pruners import MedianStopping
from dispatcher.core.sweeps.sweep import Metric, Sampling, Sweep, SweepSpec
from dispatcher.store.contract import Store


def sweep(name: str, **fields: Any) -> Sweep:
    trial = RunSpec(id=f"{name}_0", experiment="e", command="true")
    told = {"name": "GRID", "parameter_space": {"a": ["choice", [[1, 2.0, None, "ü"]]]}}
    spec = SweepSpec(
        id=name,
        experiment="e",
        trial=trial,
        sampling=Sampling.model_validate(told),
        policy=MedianStopping(name="MedianStopping"),
        primary_metric=Metric(name="m", goal="maximize"),
        max_total_runs=4,
        max_concurrent_runs=2,
        first=({"a": None},),
    )
    return Sweep(name, spec, **fields)


class SweepContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_sweep_comes_back_as_it_was_kept_until_it_is_over(self, store: Store) -> None:
        one, two = sweep("one"), sweep("two", paused=True, retries=2)
        for each in (one, two):
            store.write(lambda tx, each=each: tx.sweeps.put(each))  # type: ignore[misc]
        assert store.read(lambda tx: tx.sweeps.get(["one", "two", "three"])) == {
            "one": one,
            "two": two,
        }
        over = replace(two, over=True)
        store.write(lambda tx: tx.sweeps.put(over))
        assert store.read(lambda tx: tx.sweeps.unfinished()) == {"one": one}
        assert store.read(lambda tx: tx.sweeps.get(["two"])) == {"two": over}
