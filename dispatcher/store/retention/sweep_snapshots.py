"""The snapshots that the trials of sweeps start and build from."""

from collections.abc import Iterable

from dispatcher.core.sweeps.sweep import Sweep


def snapshots_of(sweeps: Iterable[Sweep]) -> set[str]:
    """The snapshots of these sweeps' trials: further trials may start from them."""
    trials = [sweep.spec.trial for sweep in sweeps]
    contexts = {trial.environment.context for trial in trials if trial.environment}
    return {each for each in {trial.snapshot for trial in trials} | contexts if each}
