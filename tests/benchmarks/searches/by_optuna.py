"""The search by Optuna alone: processes that share a journal, forked with everything imported.

python by_optuna.py SEED TRIALS AT_ONCE FOLDER
"""

import json
import math
import os
import sys
from typing import Any

import optuna
from model import scores
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from space import ALPHA, BATCH, HIDDEN, LEARNING_RATE, REDUCTION


def objective(trial: Any) -> float:
    best = 0.0
    told = scores(
        trial.suggest_float("lr", *map(math.exp, LEARNING_RATE), log=True),
        trial.suggest_float("alpha", *map(math.exp, ALPHA), log=True),
        trial.suggest_categorical("hidden", HIDDEN),
        trial.suggest_categorical("batch", BATCH),
    )
    for epoch, score in enumerate(told, 1):
        best = max(best, score)
        trial.report(best, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return best


def study_of(path: str, seed: int) -> Any:
    return optuna.create_study(
        study_name="digits",
        storage=JournalStorage(JournalFileBackend(path)),
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION),
    )


def main(seed: int, trials: int, at_once: int, folder: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = f"{folder}/journal"
    study_of(path, seed)
    children = []
    for k in range(at_once):
        pid = os.fork()
        if pid == 0:
            share = len(range(k, trials, at_once))
            study_of(path, seed * 1000 + k).optimize(objective, n_trials=share)
            os._exit(0)
        children.append(pid)
    assert not any(os.waitpid(pid, 0)[1] for pid in children)
    ended = study_of(path, seed).trials
    best = max(max(trial.intermediate_values.values()) for trial in ended)
    pruned = sum(trial.state is TrialState.PRUNED for trial in ended)
    epochs = sum(len(trial.intermediate_values) for trial in ended)
    print(json.dumps({"best": best, "ended_early": pruned, "epochs": epochs}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4])
