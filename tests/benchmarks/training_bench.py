"""One real search three ways: a classifier on scikit-learn's digits, with early termination.

The same model, space, epochs and number of trials by a sweep (TPE, ASHA), by Optuna alone (TPE,
successive halving, one process that keeps everything imported) and by Ray Tune (random, ASHA).
"""

import os
import subprocess
import sys
import textwrap
import time

from dispatcher.client.config import RunConfiguration
from dispatcher.client.script_run_config import ScriptRunConfig
from dispatcher.client.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.sweeps.expressions import choice, loguniform
from dispatcher.client.sweeps.policies import EarlyTerminationPolicy
from dispatcher.client.sweeps.sampling import HyperParameterSampling
from tests.benchmarks.house import SLOTS, Bench, bench, say

TRIALS = int(os.environ.get("BENCH_COUNT", "30"))
EPOCHS = 27
MODEL = """
import numpy
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

def scores(alpha, eta0, penalty, epochs):
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, random_state=0)
    model = SGDClassifier(alpha=alpha, eta0=eta0, penalty=penalty, learning_rate="constant",
                          random_state=0)
    for _ in range(epochs):
        model.partial_fit(x, y, classes=numpy.arange(10))
        yield model.score(x_test, y_test)
"""
SCRIPT = """
import argparse
from model import scores
from azureml.core import Run

parser = argparse.ArgumentParser()
for name, kind in (("alpha", float), ("eta0", float), ("penalty", str), ("epochs", int)):
    parser.add_argument(f"--{name}", type=kind)
run = Run.get_context()
for score in scores(**vars(parser.parse_args())):
    run.log("accuracy", score)
"""
OPTUNA = """
    import sys, time
    sys.path.insert(0, {folder!r})
    import optuna
    from model import scores
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begun = time.perf_counter()
    def objective(trial):
        best = 0
        told = scores(trial.suggest_float("alpha", 2e-9, 1, log=True),
                      trial.suggest_float("eta0", 5e-5, 1, log=True),
                      trial.suggest_categorical("penalty", ["l1", "l2"]), {epochs})
        for epoch, score in enumerate(told, 1):
            best = max(best, score)
            trial.report(best, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.SuccessiveHalvingPruner(reduction_factor=3))
    study.optimize(objective, n_trials={trials})
    saved = sum(t.state.name == "PRUNED" for t in study.trials)
    print("took", time.perf_counter() - begun, study.best_value, saved)
"""
TUNE = """
    import logging, sys, time
    sys.path.insert(0, {folder!r})
    import ray
    from ray import tune
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False,
             logging_level=logging.ERROR,
             runtime_env={{"env_vars": {{"PYTHONPATH": {folder!r}}}}})
    begun = time.perf_counter()
    def trial(config):
        from model import scores
        for score in scores(**config, epochs={epochs}):
            tune.report({{"accuracy": score}})
    found = tune.Tuner(
        trial,
        param_space={{"alpha": tune.loguniform(2e-9, 1), "eta0": tune.loguniform(5e-5, 1),
                      "penalty": tune.choice(["l1", "l2"])}},
        tune_config=tune.TuneConfig(
            num_samples={trials}, max_concurrent_trials=2, metric="accuracy", mode="max",
            scheduler=tune.schedulers.ASHAScheduler(max_t={epochs}, reduction_factor=3)),
        run_config=tune.RunConfig(verbose=0, storage_path={folder!r} + "/tune"),
    ).fit()
    told = found.get_dataframe()
    saved = int((told["training_iteration"] < {epochs}).sum())
    best = max(max(r.metrics_dataframe["accuracy"]) for r in found)
    print("took", time.perf_counter() - begun, best, saved)
"""


def sweep(made: Bench) -> tuple[float, float, int]:
    """Seconds, the best score, and how many trials were ended early."""
    source = made.folder("digits", SCRIPT)
    with open(f"{source}/model.py", "w") as file:
        file.write(MODEL)
    config = RunConfiguration()
    config.target = "bench"
    config.preload = ("sklearn.linear_model", "sklearn.datasets", "sklearn.model_selection")
    space = {
        "alpha": loguniform(-20, 0),
        "eta0": loguniform(-10, 0),
        "penalty": choice("l1", "l2"),
    }
    begun = time.perf_counter()
    run = made.experiment.submit(
        HyperDriveConfig(
            HyperParameterSampling("TPE", space, {"seed": 0}),
            "accuracy",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=TRIALS,
            max_concurrent_runs=SLOTS,
            policy=EarlyTerminationPolicy("ASHA", {"reduction_factor": 3}),
            run_config=ScriptRunConfig(
                source, script="run.py", arguments=["--epochs", EPOCHS], run_config=config
            ),
        )
    )
    run.wait_for_completion()
    took = time.perf_counter() - begun
    children = run.get_children_sorted_by_primary_metric()
    saved = sum(child["status"] == "Canceled" for child in children)
    return took, children[0]["best_primary_metric"], saved


def other(code: str, folder: str) -> tuple[float, float, int] | None:
    """The same of a program that prints them; None if it cannot run here."""
    text = textwrap.dedent(code.format(folder=folder, trials=TRIALS, epochs=EPOCHS))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=900)
    told = [line.split() for line in done.stdout.splitlines() if line.startswith("took ")]
    if not told:
        print(done.stderr[-1000:], file=sys.stderr)
        return None
    return float(told[-1][1]), float(told[-1][2]), int(told[-1][3])


def main() -> None:
    with bench(SLOTS) as made:
        _tell("a sweep (TPE, ASHA)", sweep(made))
        folder = str(made.root / "digits")
        _tell("Optuna alone (TPE, successive halving)", other(OPTUNA, folder))
        _tell("Ray Tune (random, ASHA)", other(TUNE, folder))


def _tell(what: str, found: tuple[float, float, int] | None) -> None:
    if found is None:
        say(f"{TRIALS} trials by {what}", "could not run")
        return
    took, best, saved = found
    say(f"{TRIALS} trials by {what}", f"best {best:.4f} in {took:.1f} s", f"{saved} ended early")


if __name__ == "__main__":
    main()
