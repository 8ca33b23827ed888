"""Sobol's sequence: even, and the same whatever was killed."""

import math

from dispatcher.services.sweeps.suggester import Suggester
from dispatcher.services.sweeps.trial_history import EmptyHistory
from tests.unit.driven import sampled


def test_a_sobol_sequence_covers_the_space_better_than_chance_whatever_was_killed() -> None:
    from scipy.stats import qmc

    space = {f"x{k}": ["uniform", [0, 1]] for k in range(4)}
    found = {}
    for name in ("QMC", "RANDOM"):
        suggester = Suggester(sampled(name, space))
        cells = suggester.suggest(range(256), (), EmptyHistory())
        found[name] = [list(each.values.values()) for each in cells]
        for ordinal in (0, 100, 255, 7):  # another service, another order
            [again] = Suggester(sampled(name, space)).suggest([ordinal], (), EmptyHistory())
            assert again == cells[ordinal]
            assert suggester.suggest([ordinal], (), EmptyHistory()) == [cells[ordinal]]
    assert qmc.discrepancy(found["QMC"]) < qmc.discrepancy(found["RANDOM"]) / 5
    other = sampled("QMC", space, {"seed": 1})
    assert Suggester(other).suggest([0], (), EmptyHistory()) != [
        Suggester(sampled("QMC", space)).suggest([0], (), EmptyHistory())[0]
    ]


def test_draws_of_a_sobol_sequence_match_every_distribution_more_closely_than_asked() -> None:
    count = 2048
    cells = [
        each.values for each in Suggester(sampled("QMC")).suggest(range(count), (), EmptyHistory())
    ]
    for name, expression in sampled("QMC").sampling.space.parameters.items():
        values = [cell[name] for cell in cells if name in cell]
        reference = [expression.value((k + 0.5) / 10_000) for k in range(10_000)]
        if expression.is_choice:
            continue
        for q in (0.1, 0.5, 0.9):
            border = sorted(reference)[int(q * 10_000)]
            share = sum(value <= border for value in values) / len(values)
            expected = sum(value <= border for value in reference) / 10_000
            # Five sigmas of independent draws: by chance once in a million.
            assert abs(share - expected) < 5 * math.sqrt(0.25 / len(values)), (name, q)
