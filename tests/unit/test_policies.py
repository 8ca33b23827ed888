"""v1's early termination rules against tables worked out by hand."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dispatcher.core.sweeps.pruners import Goal, Policy, is_due, stopped

POLICY: TypeAdapter[Any] = TypeAdapter(Policy)
Histories = Mapping[int, Sequence[float]]


def policy(name: str, **properties: Any) -> Any:
    return POLICY.validate_python({"name": name, "properties": properties})


def ended(rule: Any, goal: Goal, histories: Histories) -> list[int]:
    return [number for number in histories if stopped(rule, goal, histories, number)]


# Accuracies at intervals 1…3. Best so far: 0.80, 0.70, 0.66, 0.50; running averages: 0.70, 0.60,
# 0.62, 0.40.
UP: Histories = {0: [0.6, 0.7, 0.8], 1: [0.5, 0.6, 0.7], 2: [0.66, 0.6, 0.6], 3: [0.3, 0.4, 0.5]}
DOWN: Histories = {number: [1 - v for v in values] for number, values in UP.items()}
BELOW: Histories = {0: [-1.0], 1: [-1.15], 2: [-1.3]}


@pytest.mark.parametrize(
    ("rule", "goal", "histories", "expected"),
    [
        # 0.8 / 1.2 = 0.667: 0.66 and 0.5 are below.
        (policy("Bandit", slack_factor=0.2), "maximize", UP, [2, 3]),
        # 0.8 / 1.25 = 0.64
        (policy("Bandit", slack_factor=0.25), "maximize", UP, [3]),
        (policy("Bandit", slack_amount=0.15), "maximize", UP, [3]),
        (policy("Bandit", slack_amount=0.05), "maximize", UP, [1, 2, 3]),
        (policy("Bandit", slack_amount=0.0), "maximize", UP, [1, 2, 3]),
        # Losses 0.2, 0.3, 0.34, 0.5: above 0.2 · 1.6 = 0.32
        (policy("Bandit", slack_factor=0.6), "minimize", DOWN, [2, 3]),
        (policy("Bandit", slack_factor=1.0), "minimize", DOWN, [3]),
        (policy("Bandit", slack_amount=0.2), "minimize", DOWN, [3]),
        # Below zero the factor opens to the worse side: -1 · 1.2 = -1.2.
        (policy("Bandit", slack_factor=0.2), "maximize", BELOW, [2]),
        # minimise -1.3: above -1.3 / 1.2 = -1.083
        (policy("Bandit", slack_factor=0.2), "minimize", BELOW, [0]),
        # Median of 0.70, 0.62, 0.60, 0.40 is 0.61: the best of 3, 0.50, is worse.
        (policy("MedianStopping"), "maximize", UP, [3]),
        (policy("MedianStopping"), "minimize", DOWN, [3]),
        (policy("TruncationSelection", truncation_percentage=25), "maximize", UP, [3]),
        (policy("TruncationSelection", truncation_percentage=50), "maximize", UP, [2, 3]),
        (policy("TruncationSelection", truncation_percentage=74), "minimize", DOWN, [2, 3]),
        (policy("TruncationSelection", truncation_percentage=24), "maximize", UP, []),
        (policy("ASHA", reduction_factor=3), "maximize", UP, [1, 2, 3]),
        (policy("ASHA", reduction_factor=2, min_resource=3), "maximize", UP, [2, 3]),
        (POLICY.validate_python({"name": "Default"}), "maximize", UP, []),
    ],
)
def test_a_policy_ends_whom_the_table_says(
    rule: Any, goal: Goal, histories: Histories, expected: list[int]
) -> None:
    assert ended(rule, goal, histories) == expected


@pytest.mark.parametrize(
    ("interval", "delay", "due"),
    [
        (1, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (3, 0, [3, 6]),
        (1, 5, [5, 6, 7, 8]),
        (2, 5, [6, 8]),
        (4, 4, [4, 8]),
    ],
)
def test_a_policy_is_applied_at_each_multiple_of_the_interval_from_the_delay_on(
    interval: int, delay: int, due: list[int]
) -> None:
    rule = policy("MedianStopping", evaluation_interval=interval, delay_evaluation=delay)
    assert [c for c in range(9) if is_due(rule, c)] == due


def test_trials_are_compared_at_the_same_interval_whatever_came_later() -> None:
    rule = policy("Bandit", slack_amount=0.1, evaluation_interval=2)
    histories = {0: [0.1, 0.2, 0.9, 0.9], 1: [0.15, 0.15], 2: [0.0, 0.05], 3: [0.0]}
    assert ended(rule, "maximize", histories) == [2]


def test_a_trial_that_logs_nan_alone_is_worse_than_one_with_a_number() -> None:
    rule = policy("Bandit", slack_factor=10.0)
    assert ended(rule, "maximize", {0: [math.nan], 1: [-5.0], 2: [math.inf]}) == [0, 2]
    assert ended(rule, "minimize", {0: [math.nan], 1: [math.nan]}) == []
    for each in ("MedianStopping", "ASHA"):
        assert ended(policy(each), "minimize", {0: [math.nan], 1: [3.0], 2: [3.0]}) == [0]


def test_brackets_of_hyperband_look_later_one_after_the_other() -> None:
    rule = policy("Hyperband", reduction_factor=2, brackets=3)
    due = {n: [c for c in range(1, 9) if is_due(rule, c, n)] for n in range(3)}
    assert due == {0: [1, 2, 4, 8], 1: [2, 4, 8], 2: [4, 8]}


values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)
histories = st.dictionaries(st.integers(0, 20), values, min_size=1, max_size=8)
rules = st.sampled_from(
    [
        policy("Bandit", slack_factor=0.3),
        policy("Bandit", slack_amount=1.0),
        policy("MedianStopping"),
        policy("TruncationSelection", truncation_percentage=99),
        policy("ASHA"),
        policy("Hyperband"),
    ]
)


@given(histories, rules, st.sampled_from(["maximize", "minimize"]))
def test_the_best_at_an_interval_is_never_ended_there(
    told: Histories, rule: Any, goal: Goal
) -> None:
    for number in ended(rule, goal, told):
        interval = len(told[number])
        reached = [h[:interval] for h in told.values() if len(h) >= interval]
        best = max(map(max, reached)) if goal == "maximize" else min(map(min, reached))
        assert best not in told[number]


@given(histories, rules)
def test_the_goals_are_mirror_images_but_for_the_factor(told: Histories, rule: Any) -> None:
    mirrored = {number: [-v for v in values] for number, values in told.items()}
    assert ended(rule, "maximize", told) == ended(rule, "minimize", mirrored)
