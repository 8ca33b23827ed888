"""One real search by a sweep, by Optuna alone and by Ray Tune: best score, time, what was saved.

A neural network on the digits that come with scikit-learn, with the same space, epochs, number of
trials, trials at once, TPE and successive halving for all. A sweep runs on Docker and Ray at once;
it is also stopped half-way with its service, and ended half-way and gone on from by another sweep.

What stands before the clock runs: the service, the engine with its image, the cluster; for Ray Tune
its cluster. What the clock sees: every import, start and restart. So each search has a service of
its own, which has nothing imported; what one that has run a search takes is told as well.
"""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.expressions import choice, loguniform
from dispatcher.client.v1.sweeps.policies import EarlyTerminationPolicy
from dispatcher.client.v1.sweeps.sampling import HyperParameterSampling
from tests.benchmarks.measuring import REPEAT, Bench, bench, say
from tests.benchmarks.searches.space import ALPHA, BATCH, EPOCHS, HIDDEN, LEARNING_RATE, REDUCTION
from tests.rigs.dockerd import Dockerd, host_python_image
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until

TRIALS = int(os.environ.get("BENCH_COUNT", "30"))
AT_ONCE = 4
HERE = Path(__file__).parent / "searches"
IMAGE = "bench/sklearn:1"
PACKAGES = (
    *("numpy", "numpy.libs", "scipy", "scipy.libs", "sklearn", "scikit_learn.libs"),
    *("joblib", "cloudpickle", "loky", "threadpoolctl.py", "narwhals"),
)
PRELOAD = ("sklearn.neural_network", "sklearn.datasets", "sklearn.model_selection")


@dataclass(frozen=True)
class Found:
    """What one search has come to."""

    seconds: float
    best: float
    epochs: int
    ended_early: int


class Grounds:
    """What a sweep runs on: an engine and a cluster. They outlive the searches."""

    def __init__(self) -> None:
        self.cluster = RayCluster(nodes=1, gpus=0, cpus=AT_ONCE // 2)
        self._stack = ExitStack()
        self._stack.callback(self.cluster.stop)
        with self._stack:
            self.engine = Dockerd()
            self._stack.callback(self.engine.stop)
            present = [name for name in PACKAGES if _has(name)]
            host_python_image(self.engine.client, IMAGE, present)
            self._stack = self._stack.pop_all()  # all is well: `stop` ends them

    def attach(self, made: Bench) -> list[str]:
        """Both as targets of a workspace; their names."""
        made.attach(
            "box",
            kind="docker",
            docker_host=self.engine.url,
            image=IMAGE,
            network="none",
            cpus=AT_ONCE // 2,
            warm=True,
        )
        made.attach(
            "cluster",
            kind="ray",
            address=self.cluster.address,
            node_ip_address=self.cluster.head.address,
            token=self.cluster.token,
        )
        return ["box", "cluster"]

    def stop(self) -> None:
        self._stack.close()


def config(targets: list[str], trials: int, seed: int, **fields: Any) -> HyperDriveConfig:
    """The search as a sweep."""
    how = RunConfiguration()
    how.target = targets[0]
    how.preload = PRELOAD
    how.environment_variables = {"OMP_NUM_THREADS": "1"}
    space = {
        "lr": loguniform(*LEARNING_RATE),
        "alpha": loguniform(*ALPHA),
        "hidden": choice(*HIDDEN),
        "batch": choice(*BATCH),
    }
    made = HyperDriveConfig(
        HyperParameterSampling("TPE", space, {"seed": seed}),
        "accuracy",
        PrimaryMetricGoal.MAXIMIZE,
        max_total_runs=trials,
        max_concurrent_runs=AT_ONCE,
        policy=EarlyTerminationPolicy("ASHA", {"reduction_factor": REDUCTION}),
        run_config=ScriptRunConfig(str(HERE), script="trial.py", run_config=how),
        **fields,
    )
    made._targets = targets
    return made


def straight(made: Bench, targets: list[str], seed: int) -> Found:
    """From the first trial to the last."""
    begun = time.perf_counter()
    run: Any = made.experiment.submit(config(targets, TRIALS, seed))
    run.wait_for_completion()
    return _found(made, begun, run)


def stopped(made: Bench, targets: list[str], seed: int) -> Found:
    """The service is stopped half-way; another one, which the next call starts, goes on."""
    begun = time.perf_counter()
    run: Any = made.experiment.submit(config(targets, TRIALS, seed))
    _wait_half(run)
    made.stop()
    later: Any = Run.get(made.workspace, run.id)
    later.wait_for_completion()
    return _found(made, begun, later)


def continued(made: Bench, targets: list[str], seed: int) -> Found:
    """Half of the trials in one sweep; another sweep learns from them and makes the rest."""
    begun = time.perf_counter()
    first: Any = made.experiment.submit(config(targets, TRIALS // 2, seed))
    first.wait_for_completion()
    made.stop()
    rest = config(targets, TRIALS - TRIALS // 2, seed + 1000, resume_from=[first])
    second: Any = made.experiment.submit(rest)
    second.wait_for_completion()
    return _found(made, begun, first, second)


def _wait_half(run: Any) -> None:
    def is_half() -> bool:
        told = run.progress()["trials"]
        return sum(told.get(end, 0) for end in ("Completed", "Canceled", "Failed")) >= TRIALS // 2

    until(is_half, "half of the trials have ended", timeout=600)


def _found(made: Bench, begun: float, *runs: Any) -> Found:
    took = time.perf_counter() - begun
    rows: list[Any] = []
    for run in runs:
        query = [("limit", 1000)]
        rows += made.workspace.service.get(f"/sweeps/{run.id}/trials", query)["trials"]
    wrong = [row for row in rows if row["status"] not in ("Completed", "Canceled")]
    assert not wrong, f"{len(wrong)} have failed: {wrong[0]}"
    assert len(rows) == TRIALS, len(rows)
    best = max(row["best_primary_metric"] or 0.0 for row in rows)
    early = sum(row["status"] == "Canceled" for row in rows)
    return Found(took, best, sum(row["logged"] for row in rows), early)


def other(program: str, seed: int) -> Found:
    """The search by another program; from its start to its end, if it tells no better."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / program), *map(str, (seed, TRIALS, AT_ONCE)), folder]
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=1200,
        )
        took = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr[-2000:]}")
    return Found(**{"seconds": took, **json.loads(done.stdout.splitlines()[-1])})


def main() -> None:
    found: dict[str, list[Found]] = {}
    grounds = Grounds()
    try:
        for seed in range(REPEAT):
            for name, one in each_way(grounds, seed):
                found.setdefault(name, []).append(one)
    finally:
        grounds.stop()
        for name, each in found.items():
            _tell(name, each)


def each_way(grounds: Grounds, seed: int) -> Iterator[tuple[str, Found]]:
    """All of them in turn, so that they see the same machine."""
    cold, warm = _afresh(grounds, seed)
    yield "by a sweep on Docker and Ray at once", cold
    yield "  once more by the same service", warm
    yield "  stopped half-way with its service", _once(grounds, stopped, seed)
    yield "  in two sweeps, one after the other", _once(grounds, continued, seed)
    yield "by a sweep on the machine itself", _local(seed)
    yield "by Optuna alone", other("by_optuna.py", seed)
    yield "by Ray Tune", other("by_tune.py", seed)


def _afresh(grounds: Grounds, seed: int) -> tuple[Found, Found]:
    with bench(AT_ONCE) as made:
        targets = grounds.attach(made)
        return straight(made, targets, seed), straight(made, targets, seed)


def _once(grounds: Grounds, way: Callable[..., Found], seed: int) -> Found:
    with bench(AT_ONCE) as made:
        return way(made, grounds.attach(made), seed)


def _local(seed: int) -> Found:
    with bench(AT_ONCE) as made:
        return straight(made, ["bench"], seed)


def _tell(what: str, found: list[Found]) -> None:
    def middle(of: Callable[[Found], float]) -> float:
        return statistics.median(of(each) for each in found)

    saved = 1 - middle(lambda each: each.epochs) / (TRIALS * EPOCHS)
    early = middle(lambda each: each.ended_early)
    say(
        what if what.startswith(" ") else f"{TRIALS} trials {what}",
        f"best {middle(lambda each: each.best):.4f} in {middle(lambda each: each.seconds):.1f} s",
        f"{early:.0f} ended early, {saved:.0%} of the epochs saved",
    )


def _has(package: str) -> bool:
    return Path(sysconfig.get_path("purelib"), package).exists()


if __name__ == "__main__":
    main()
