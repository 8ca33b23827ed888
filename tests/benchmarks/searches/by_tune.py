"""The search by Ray Tune, with Optuna's TPE and its own ASHA; Ray is there before the clock runs.

python by_tune.py SEED TRIALS AT_ONCE FOLDER
"""

import json
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from space import ALPHA, BATCH, EPOCHS, HIDDEN, LEARNING_RATE, REDUCTION


def trial(config: dict[str, Any]) -> None:
    from model import scores

    for score in scores(**config):
        tune.report({"accuracy": score})


def main(seed: int, trials: int, at_once: int, folder: str) -> None:
    variables = {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    ray.init(
        num_cpus=at_once,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": variables},
    )
    begun = time.perf_counter()
    space = {
        "lr": tune.loguniform(*map(math.exp, LEARNING_RATE)),
        "alpha": tune.loguniform(*map(math.exp, ALPHA)),
        "hidden": tune.choice(HIDDEN),
        "batch": tune.choice(BATCH),
    }
    found = tune.Tuner(
        trial,
        param_space=space,
        tune_config=tune.TuneConfig(
            num_samples=trials,
            max_concurrent_trials=at_once,
            metric="accuracy",
            mode="max",
            search_alg=OptunaSearch(seed=seed),
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=REDUCTION),
        ),
        run_config=tune.RunConfig(verbose=0, storage_path=folder),
    ).fit()
    took = time.perf_counter() - begun
    epochs = [len(each.metrics_dataframe) for each in found]
    told = {
        "seconds": took,
        "best": max(float(max(each.metrics_dataframe["accuracy"])) for each in found),
        "ended_early": sum(count < EPOCHS for count in epochs),
        "epochs": sum(epochs),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4])
