"""Scores and their intervals."""

import math

import numpy as np
import pytest

from reward_synth.feedback.scores import human_normalized, interval, score


def test_interval_of_several_trainings_is_over_their_means():
    fitness = [np.array([1.0, 3.0]), np.array([3.0, 5.0]), np.array([5.0, 7.0])]
    found = score(fitness, [np.array([1, 0])] * 3, [np.array([10, 20])] * 3)
    assert found.trainings == (2.0, 4.0, 6.0)
    assert found.fitness == 4.0
    # t quantile for 2 degrees of freedom times the standard error of (2, 4, 6)
    assert found.high - 4.0 == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-5)
    assert (found.success, found.length, found.episodes) == (0.5, 15.0, 2)


def test_interval_of_one_training_is_over_its_episodes():
    found = score([np.array([1.0, 2.0, 3.0])], [np.zeros(3)], [np.ones(3)])
    assert found.low < 2.0 < found.high


def test_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(low < 0 < high for low, high in (interval(rng.normal(size=4)) for _ in range(2000)))
    assert 0.93 < hits / 2000 < 0.97


def test_degenerate_intervals():
    assert interval(np.array([1.0])) == (-math.inf, math.inf)
    assert interval(np.array([2.0, 2.0])) == (2.0, 2.0)


def of(*trainings):
    return score([np.array([t, t]) for t in trainings], [np.zeros(2)], [np.ones(2)])


def test_human_normalized():
    found, expert, sparse = of(5.9, 6.1), of(3.9, 4.0, 4.1), of(1.9, 2.0, 2.1)
    assert human_normalized(found, expert, sparse) == pytest.approx(2.0)
    worse = of(-4.1, -4.0, -3.9)
    assert human_normalized(of(0.9, 1.1), worse, sparse) == pytest.approx(-1 / 6)


def test_no_normalized_score_where_expert_and_sparse_cannot_be_told_apart():
    noisy, sparse = of(0.0, 4.0), of(1.9, 2.0, 2.1)
    assert human_normalized(of(60.0, 60.0), noisy, sparse) is None
    assert human_normalized(of(1.0), of(3.0), of(2.0)) is None
