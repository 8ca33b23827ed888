"""Trivial trials, eight at a time: what a sweep adds to each, beside Ray Tune.

A trial is a script that logs one number. The same scripts as plain runs, submitted at once, are
what there is without a sweep; the rest is the sweep's own. Ray Tune runs a function that reports
one number, which is the least that it can be given; its trials are actors of their own.
"""

import os
import subprocess
import sys
import textwrap
import time

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.waiting import wait_all
from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.expressions import uniform
from dispatcher.client.v1.sweeps.sampling import HyperParameterSampling, RandomParameterSampling
from tests.benchmarks.measuring import Bench, bench, median, say

COUNT = int(os.environ.get("BENCH_COUNT", "200"))
TUNE_COUNT = 24
AT_ONCE = 8
GOAL = 15.0
TRIAL = """
import sys
from azureml.core import Run

Run.get_context().log("m", float(sys.argv[2]))
"""
TUNE = """
    import logging, time
    import ray
    from ray import tune
    ray.init(num_cpus={at_once}, include_dashboard=False, log_to_driver=False,
             logging_level=logging.ERROR)
    def trial(config):
        tune.report({{"m": config["x"]}})
    def search(count):
        begun = time.perf_counter()
        tune.Tuner(
            trial,
            param_space={{"x": tune.uniform(0, 1)}},
            tune_config=tune.TuneConfig(num_samples=count, max_concurrent_trials={at_once}),
            run_config=tune.RunConfig(verbose=0, storage_path={folder!r}),
        ).fit()
        return time.perf_counter() - begun
    search({at_once})
    print("took", search({count}))
"""


def plain(made: Bench, source: str) -> float:
    """Seconds for the scripts as plain runs."""
    configs = [_config(source, ["--x", 0.5]) for _ in range(COUNT)]
    begun = time.perf_counter()
    wait_all(made.experiment.submit_all(configs))
    return time.perf_counter() - begun


def sweep(made: Bench, source: str, sampling: HyperParameterSampling) -> float:
    """Seconds for the scripts as trials of a sweep."""
    config = HyperDriveConfig(
        sampling,
        "m",
        PrimaryMetricGoal.MAXIMIZE,
        max_total_runs=COUNT,
        max_concurrent_runs=AT_ONCE,
        run_config=_config(source, []),
    )
    begun = time.perf_counter()
    run = made.experiment.submit(config)
    run.wait_for_completion()
    return time.perf_counter() - begun


def tune(folder: str) -> float | None:
    """Seconds of a trial by Ray Tune; None where it is not there."""
    code = TUNE.format(at_once=AT_ONCE, folder=folder, count=TUNE_COUNT)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=600
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("took ")]
    return float(told[-1].split()[1]) / TUNE_COUNT if told else None


def main() -> None:
    space = {"x": uniform(0, 1)}
    with bench(AT_ONCE) as made:
        source = made.folder("trial", TRIAL)
        plain(made, source)
        least = median(lambda: plain(made, source)) / COUNT * 1000
        say(f"{COUNT} scripts that log a number, as plain runs", f"{least:.1f} ms each")
        for sampling in (RandomParameterSampling(space), HyperParameterSampling("TPE", space)):
            name = sampling.to_json()["name"]
            took = median(lambda each=sampling: sweep(made, source, each)) / COUNT * 1000  # type: ignore[misc]
            say(f"the same as trials, {AT_ONCE} at a time, {name}", f"{took:.1f} ms each")
            added = f"{took - least:.1f} ms"
            say(f"what the sweep adds to a trial, {name}", added, f"goal <= {GOAL:g} ms")
        other = tune(str(made.root / "tune"))
        shown = "not installed" if other is None else f"{other * 1000:.0f} ms each"
        say(f"{TUNE_COUNT} functions that report a number by Ray Tune", shown)


def _config(source: str, arguments: list[object]) -> ScriptRunConfig:
    config = RunConfiguration()
    config.target = "bench"
    return ScriptRunConfig(source, script="run.py", arguments=arguments, run_config=config)


if __name__ == "__main__":
    main()
