import math

import numpy as np
import pytest
from scipy import stats

from reward_synth.feedback.agreement import Finish, rung_agreement


def finishes(standings, finals, generation=0, rung=0, wildcards=()):
    return [
        Finish(generation, rung, standing, final, i in wildcards)
        for i, (standing, final) in enumerate(zip(standings, finals, strict=True))
    ]


def test_is_kendalls_tau_in_one_generation():
    rng = np.random.default_rng(0)
    standings, finals = rng.normal(size=(2, 9))
    (found,) = rung_agreement(finishes(standings, finals))
    assert found.tau == pytest.approx(stats.kendalltau(standings, finals).statistic)
    assert found.pairs == 36


def test_compares_within_generations_only():
    # Each generation is in perfect order, though the second stands higher and ends lower.
    found = rung_agreement([*finishes([1, 2], [5, 6]), *finishes([7, 8], [1, 2], generation=1)])
    assert [(a.tau, a.pairs) for a in found] == [(1.0, 2)]


def test_one_for_each_rung_in_order():
    found = rung_agreement([*finishes([1, 2], [1, 2], rung=1), *finishes([1, 2], [2, 1])])
    assert [(a.rung, a.tau) for a in found] == [(0, -1.0), (1, 1.0)]


def test_ties():
    # Of three pairs one is tied at the end and left out, one at the rung and half right.
    (found,) = rung_agreement(finishes([1, 1, 2], [1, 2, 2]))
    assert (found.tau, found.pairs) == (0.5, 2)


def test_pairs_with_a_wildcard():
    standings, finals = [1, 2, 3, 4], [4, 1, 2, 3]
    (every,) = rung_agreement(finishes(standings, finals, wildcards={0}))
    (wild,) = rung_agreement(finishes(standings, finals, wildcards={0}), wildcards=True)
    assert (every.tau, every.pairs) == (0.0, 6)
    assert (wild.tau, wild.pairs) == (-1.0, 3)
    assert wild.high > -1.0 + 1e-9


def test_nothing_to_compare():
    (found,) = rung_agreement(finishes([1.0, math.nan], [1.0, 2.0]))
    assert math.isnan(found.tau)
    assert (found.pairs, found.low, found.high) == (0, -1.0, 1.0)
    assert rung_agreement([]) == ()


@pytest.mark.parametrize("n", [5, 12, 40])
def test_interval_has_kendalls_variance(n):
    """Of n unrelated candidates, as many pairs are independent as give tau the variance it has."""
    half = np.arange(n) % 4 < 2  # about as many pairs in order as not
    (found,) = rung_agreement(finishes(np.arange(n), np.where(half, np.arange(n), -np.arange(n))))
    z = stats.norm.ppf(0.975)
    variance = 2 * (2 * n + 5) / (9 * n * (n - 1))
    # Wilson: the bounds are where the truth would be z of its own deviations from what was found.
    for bound in (found.low, found.high):
        assert (bound - found.tau) ** 2 == pytest.approx(z**2 * (1 - bound**2) * variance)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_interval_covers(correlation):
    """Three generations of six, the first a wildcard; tau of normals is 2/pi arcsin(rho)."""
    rng = np.random.default_rng(2)
    truth = 2 / math.pi * math.asin(correlation)
    covered = 0
    for _ in range(300):
        entries = []
        for generation in range(3):
            x, noise = rng.normal(size=(2, 6))
            y = correlation * x + math.sqrt(1 - correlation**2) * noise
            entries += finishes(x, y, generation)
        (found,) = rung_agreement(entries)
        covered += found.low <= truth <= found.high
    assert covered / 300 >= 0.91
