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


def family(rng, parents=8, children=6, correlation=0.6, within=1.0):
    """True means of families, trainings (one each), and how alike the rewards are."""
    true, trainings, blocks = {}, {}, []
    for p in range(parents):
        own = rng.normal()
        means = [own]
        noise = np.sqrt(1 - correlation**2)
        means += [correlation * own + noise * rng.normal() for _ in range(children)]
        for k, mean in enumerate(means):
            true[p, k] = mean
            trainings[p, k] = (mean + within * rng.normal(),)
        block = np.full((children + 1, children + 1), correlation**2)
        block[0, :] = block[:, 0] = correlation
        np.fill_diagonal(block, 1.0)
        blocks.append(block)
    alike = np.kron(np.eye(parents), np.ones_like(blocks[0]))
    for p, block in enumerate(blocks):
        alike[p * len(block) : (p + 1) * len(block), p * len(block) : (p + 1) * len(block)] = block
    return true, trainings, alike


def test_relatives_make_estimates_nearer_and_their_intervals_narrower_and_true():
    alone, informed, hits, total, narrower = [], [], 0, 0, []
    for seed in range(60):
        true, trainings, alike = family(np.random.default_rng(seed))
        plain, kin = estimates(trainings), estimates(trainings, alike)
        alone += [(plain[key].mean - true[key]) ** 2 for key in true]
        informed += [(kin[key].mean - true[key]) ** 2 for key in true]
        hits += sum(kin[key].low <= true[key] <= kin[key].high for key in true)
        total += len(true)
        narrower.append(kin[0, 0].deviation / plain[0, 0].deviation)
    assert np.mean(informed) < 0.93 * np.mean(alone)
    assert 0.9 < hits / total < 0.98
    assert np.mean(narrower) < 0.9


def test_a_lucky_parent_is_given_away_by_its_children():
    trainings = {"parent": (9.0,), "rival": (8.0,), "low": (1.0,), "middle": (3.0,)}
    children = {f"child {i}": (3.0,) for i in range(4)}
    alike = np.eye(8)
    alike[4:, 4:] = 0.36
    alike[0, 4:] = alike[4:, 0] = 0.6
    np.fill_diagonal(alike, 1.0)
    found = estimates(trainings | children, alike)
    assert found["rival"].mean > found["parent"].mean
    unrelated = estimates(trainings | children)
    assert unrelated["rival"].mean < unrelated["parent"].mean
