"""Estimates of fitness: drawn towards the run's mean by as much as trainings are luck."""

import numpy as np
import pytest

from reward_synth.feedback.estimates import estimates, luck


def run(rng, rewards=30, repeated=10, between=1.0, within=0.7):
    """True means, and trainings of each: one, and more of some."""
    true = {i: float(rng.normal(5.0, between)) for i in range(rewards)}
    trainings = {
        i: tuple(rng.normal(mean, within, 3 if i < repeated else 1).tolist())
        for i, mean in true.items()
    }
    return true, trainings


def test_the_winner_is_not_believed_as_it_stands():
    flattered, fair = [], []
    for seed in range(200):
        true, trainings = run(np.random.default_rng(seed))
        means = {i: np.mean(values) for i, values in trainings.items()}
        found = estimates(trainings)
        flattered.append(max(means.values()) - true[max(means, key=means.__getitem__)])
        best = max(found, key=lambda i: found[i].mean)
        fair.append(found[best].mean - true[best])
    assert np.mean(flattered) > 0.5
    assert abs(np.mean(fair)) < 0.1


def test_choosing_by_estimates_finds_better_rewards():
    by_mean, by_estimate = [], []
    for seed in range(300):
        true, trainings = run(np.random.default_rng(seed))
        found = estimates(trainings)
        by_mean.append(true[max(true, key=lambda i: np.mean(trainings[i]))])
        by_estimate.append(true[max(true, key=lambda i: found[i].cautious)])
    assert np.mean(by_estimate) > np.mean(by_mean) + 0.02


def test_intervals_cover():
    hits = total = 0
    for seed in range(100):
        true, trainings = run(np.random.default_rng(seed))
        for i, estimate in estimates(trainings).items():
            hits += estimate.low <= true[i] <= estimate.high
            total += 1
    assert 0.9 < hits / total < 0.98


def test_luck_is_what_repeated_trainings_show():
    trainings = run(np.random.default_rng(0), rewards=400, repeated=400)[1]
    assert luck(trainings) == pytest.approx(0.7, abs=0.05)


def test_more_trainings_are_believed_more():
    found = estimates({"once": (9.0,), "thrice": (9.0, 8.9, 9.1), "low": (1.0,), "middle": (5.0,)})
    assert found["thrice"].mean > found["once"].mean > found["middle"].mean
    assert found["thrice"].deviation < found["once"].deviation
    assert found["thrice"].cautious > found["once"].cautious


def test_where_nothing_varies_nothing_is_drawn_anywhere():
    assert estimates({}) == {}
    (alone,) = estimates({"one": (2.0,)}).values()
    assert (alone.mean, alone.low, alone.high) == (2.0, 2.0, 2.0)
    same = estimates({"a": (2.0, 2.0), "b": (2.0,)})
    assert {e.mean for e in same.values()} == {2.0}
