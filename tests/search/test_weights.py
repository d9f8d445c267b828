"""Weights that are searched without a proposer: on landscapes whose best place is known."""

import math

import numpy as np
import pytest

from reward_synth.search.archive import Archive
from reward_synth.search.weights import Trial, draw, next_weights
from tests.search.archives import candidate, program

NEUTRAL = np.zeros(3)


def landscape(rng, size, kind):
    """A function of (d,) logarithms with its maximum, 1, about a factor of 3 from the start."""
    best = 1.2 * rng.standard_normal(size)
    turned, _ = np.linalg.qr(rng.standard_normal((size, size)))
    scales = np.full(size, 1 / 1.5) if kind == "round" else rng.uniform(0.2, 1.5, size)
    edge = rng.standard_normal(size)
    edge /= np.linalg.norm(edge)
    limit = edge @ best + 0.5

    def value(logs):
        if kind == "cliff" and edge @ logs > limit:
            return 0.0
        return math.exp(-0.5 * float(((scales * (turned @ (logs - best))) ** 2).sum()))

    return value


def searched(draws, size, kind, noise, seed, count=4, generations=6):
    """The true value of what is chosen after 1 + 24 evaluations, and of the last draws."""
    rng = np.random.default_rng(seed)
    value = landscape(rng, size, kind)
    start = np.zeros(size)
    trials, latest = [], [start]
    for _ in range(generations + 1):
        trials += [Trial(p, value(p) + noise * rng.standard_normal()) for p in latest]
        place = max(trials, key=lambda trial: trial.value).logs
        chosen, last = value(place), np.mean([value(p) for p in latest])
        latest = draws(trials, start, count, rng)
    return chosen, last


def ours(trials, start, count, rng):
    return draw(trials, start, np.zeros(len(start)), count, rng)


def perturbed(step):
    return lambda trials, start, count, rng: step * rng.standard_normal((count, len(start)))


@pytest.mark.parametrize("count", [1, 4])
def test_it_finds_better_weights_than_chance_does(count):
    """Over 360 noisy landscapes, against perturbations of the parent by two sizes of step."""
    cases = [
        (size, kind, noise, seed)
        for size in (2, 3, 4)  # of 3 to 5 weights, whose scale does not matter
        for kind in ("round", "narrow", "cliff")
        for noise in (0.1, 0.25)
        for seed in range(20)
    ]

    def mean(draws):
        found = [searched(draws, *case, count=count, generations=24 // count) for case in cases]
        return np.mean(found, axis=0)

    chosen, last = mean(ours)
    for step in (0.6, 1.0):
        by_chance, last_by_chance = mean(perturbed(step))
        assert chosen > by_chance + 0.02, step
        assert last > last_by_chance + 0.15, step


def test_without_noise_it_comes_near_the_best_ratio():
    found = [searched(ours, 2, "round", 0.0, seed)[0] for seed in range(30)]
    assert np.median(found) > 0.95  # within a factor of 1.6 of the best ratios


def test_draws_are_mirrored_about_where_the_search_is():
    drawn = draw([], np.array([1.0, 2.0, 3.0]), NEUTRAL, 4, np.random.default_rng(0))
    assert np.allclose(drawn[0] + drawn[1], [2.0, 4.0, 6.0])
    assert np.allclose(drawn[2] + drawn[3], [2.0, 4.0, 6.0])
    assert len(np.unique(drawn, axis=0)) == 4


def test_the_step_shrinks_with_trials_and_not_to_nothing():
    def spread(count):
        trials = [Trial(NEUTRAL, 0.0) for _ in range(count)]
        return np.std(draw(trials, NEUTRAL, NEUTRAL, 2000, np.random.default_rng(0)))

    assert spread(1) == pytest.approx(1.0, abs=0.05)
    assert spread(1) > spread(10) > spread(30) > spread(60) > 0.25
    assert spread(200) == pytest.approx(spread(100))


def test_the_scale_is_not_searched():
    neutral = np.array([1.0, 0.0, 1.0])
    rng = np.random.default_rng(0)
    trials = [Trial(rng.standard_normal(3), rng.standard_normal()) for _ in range(12)]
    drawn = draw(trials, np.array([0.5, 0.0, -0.2]), neutral, 50, rng)
    assert np.allclose(drawn @ neutral, 0.3)
    assert np.std(drawn[:, 1]) > 0.2
    # Trials that differ in scale alone are the same trial.
    shifted = [Trial(t.logs + 7 * neutral, t.value) for t in trials]
    one, other = (
        draw(some, NEUTRAL, neutral, 6, np.random.default_rng(1)) for some in (trials, shifted)
    )
    assert np.allclose(one, other)


def test_trainings_count():
    """One lucky value weighs less than many that say otherwise."""
    good, lucky = np.array([1.0, 0.0]), np.array([-1.0, 0.0])
    trials = [Trial(good, 1.0, trainings=6), Trial(lucky, 1.3)]
    trials += [Trial(np.array([0.0, y]), 0.0) for y in (-2.0, -1.0, 1.0, 2.0, 3.0)]
    first = draw(trials, np.zeros(2), np.zeros(2), 2, np.random.default_rng(0)).mean(0)
    few = [Trial(t.logs, t.value) for t in trials]
    second = draw(few, np.zeros(2), np.zeros(2), 2, np.random.default_rng(0)).mean(0)
    assert first[0] > 0 > second[0]


# From an archive.


def tried(*candidates):
    return Archive(candidates, 1 + max(c.generation for c in candidates))


def drawn_from(archive, count=4, seed=0):
    parent = archive.candidates[0]
    tables = next_weights(archive, parent, count, np.random.default_rng(seed))
    return [dict(table) for table in tables]


def test_signs_zeros_and_order_stay():
    parent = candidate(0, 0, 1.0, {"a": -2.0, "off": 0.0, "b": 3.0})
    for table in drawn_from(tried(parent), 8):
        assert list(table) == ["a", "off", "b"]
        assert table["a"] < 0.0 < table["b"]
        assert table["off"] == 0.0
        assert table["a"] * table["b"] == pytest.approx(-6.0, rel=0.01)  # the scale stays


def test_draws_differ_and_are_the_same_for_the_same_seed():
    archive = tried(candidate(0, 0, 1.0, {"a": 1.0, "b": 1.0, "c": 1.0}))
    first = drawn_from(archive, 6)
    assert first == drawn_from(archive, 6)
    assert first != drawn_from(archive, 6, seed=1)
    assert len({tuple(table.values()) for table in first}) == 6


def test_huge_and_tiny_numbers_stay_numbers_of_float32():
    parent = candidate(0, 0, 1.0, {"a": 1e300, "b": -5e-324, "c": 1.0})
    for table in drawn_from(tried(parent), 20):
        values = np.array(list(table.values()), np.float32)
        assert np.isfinite(values).all()
        assert (values != 0.0).all()


def test_a_single_weight_that_is_the_scale_is_not_searched():
    assert drawn_from(tried(candidate(0, 0, 1.0, {"a": 3.0}))) == []
    assert drawn_from(tried(candidate(0, 0, 1.0, {"a": 3.0, "off": 0.0}))) == []
    assert (
        drawn_from(tried(candidate(0, 0, 1.0, {}, terms=("x",), program=program({"a": 0.0})))) == []
    )


def test_a_single_weight_that_is_not_the_scale_is():
    tables = drawn_from(tried(candidate(0, 0, 1.0, {"sharp": 3.0}, terms=("main",))))
    assert len({table["sharp"] for table in tables}) == 4


def test_a_sharpness_moves_on_its_own():
    """One weight multiplies the only term: its scale stays, the sharpness beside it moves."""
    parent = candidate(0, 0, 1.0, {"up": 2.0, "sharp": 3.0}, terms=("up",))
    tables = drawn_from(tried(parent), 6)
    assert {table["up"] for table in tables} == {2.0}
    assert len({table["sharp"] for table in tables}) == 6


def test_it_goes_where_the_same_program_did_well_and_heeds_no_other():
    def runs(docstring, body):
        made = [candidate(0, 0, 0.0, {"a": 1.0, "b": 1.0})]
        for i in range(1, 12):
            weights = {"a": math.exp(i / 4), "b": math.exp(-i / 4)}
            changed = program(weights, docstring, body)
            made.append(candidate(1, i, float(i), weights, program=changed))
        return tried(*made)

    def ratio(archive):
        tables = drawn_from(archive, 2)
        return np.mean([math.log(table["a"] / table["b"]) for table in tables])

    assert ratio(runs("Other words.", "w[name] * state.x")) > 3.0
    assert ratio(runs("Why.", "w[name] * state.x**2")) == pytest.approx(0.0, abs=0.02)
