"""Distances of rewards: formulas by hand, invariances, and real robots."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from reward_synth.reward.canonical import DISCOUNT, Sample, canonical
from reward_synth.reward.compare import (
    angle_distance,
    compare,
    distance,
    distance_matrix,
    pearson_distance,
)
from reward_synth.reward.rewards import Reward, expert_reward, sparse_reward
from reward_synth.reward.transitions import Transitions
from reward_synth.rollout.explore import explore
from reward_synth.task import load_task
from tests.reward.compared import (
    CAPPED,
    EFFORT,
    NEAR,
    NOTHING,
    SPEED,
    push,
    pushed,
    reward_of,
    scaled,
    shaped,
)

FORMS = ("epic", "dard", "starc")


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample.draw(pushed(2000), seed=1)


def value(reward: Reward, *step: np.ndarray) -> float:
    return float(reward.function(*(np.atleast_2d(x) for x in step), reward.weights)[0][0])


def columns(steps: list[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    return [np.array(column, np.float32) for column in zip(*steps, strict=True)]


def rows(steps: Transitions) -> list[tuple[np.ndarray, ...]]:
    return list(zip(steps.state, steps.action, steps.next_state, strict=True))


def test_epic_by_its_formula():
    """On a product of all states and actions: the definition, with its expectations exact."""
    states, actions = np.array([[0.0], [1.0], [3.0]], np.float32), np.float32([[-1.0], [1.0]])
    pairs = list(itertools.product(actions, states))
    steps = [(s, *pair) for s in states for pair in pairs]
    drawn = Sample.draw(Transitions(*columns(steps)), seed=0)
    full = replace(drawn, jumps=tuple(columns(pairs)))
    reward = reward_of(lambda s, a, n, w: (a[:, 0] + 2.0) * s[:, 0] * (n[:, 0] - 2.0) ** 2)
    anywhere = np.mean([[value(reward, s, *pair) for pair in pairs] for s in states])
    expected = []
    for s, a, n in rows(full.steps):
        from_next = np.mean([value(reward, n, *pair) for pair in pairs])
        from_here = np.mean([value(reward, s, *pair) for pair in pairs])
        expected.append(
            value(reward, s, a, n) + DISCOUNT * from_next - from_here - DISCOUNT * anywhere
        )
    found = canonical(reward, full).epic
    np.testing.assert_allclose(found - found.mean(), expected - np.mean(expected), rtol=1e-5)
    with_potential = shaped(reward, lambda x: np.array([5.0, -1.0, 0.0, 2.0])[x[:, 0].astype(int)])
    assert pearson_distance(found, canonical(with_potential, full).epic) < 1e-6


def test_dard_by_its_formula(sample):
    """Where the dynamics are linear, S' and S'' are predicted without error."""
    assert sample.dynamics > 0.9999
    expected = []
    for s, a, n in rows(sample.steps)[:50]:
        parts = []
        for action in sample.actions:
            after, beyond = push(s, action), push(n, action)
            parts.append(
                DISCOUNT * value(NEAR, n, action, beyond)
                - value(NEAR, s, action, after)
                - DISCOUNT * value(NEAR, after, action, beyond)
            )
        expected.append(value(NEAR, s, a, n) + np.mean(parts))
    np.testing.assert_allclose(canonical(NEAR, sample).dard[:50], expected, atol=1e-4)


def test_starc_is_what_least_squares_leave(sample):
    found = canonical(NEAR, sample)
    r, x = found.values, sample.shapings
    waves = np.zeros((64, x.shape[1]))
    waves[:, -64:] = np.sqrt(1e-3 * 1000) * np.eye(64)  # whose coefficients are damped
    padded = np.concatenate([x[1::2], waves]), np.concatenate([r[1::2], np.zeros(64)])
    fit = np.linalg.lstsq(*padded, rcond=1e-9)[0]
    np.testing.assert_allclose(found.starc[::2], r[::2] - x[::2] @ fit, atol=1e-6)
    assert found.shaping == pytest.approx(1.0 - found.starc.var() / r.var())
    # An action's price cannot be foretold from states; a speed is shaping by where it leads.
    effort = canonical(EFFORT, sample)
    assert effort.shaping < 0.1 < 0.9 < canonical(SPEED, sample).shaping


@pytest.mark.parametrize("reward", [NEAR, EFFORT])
def test_shaping_scale_and_constants_do_not_count(sample, reward):
    own = canonical(reward, sample)
    potentials = {
        "in the family": lambda x: 3.0 * x[:, 0] - x[:, 1] ** 2,
        "not in it": lambda x: np.sign(x[:, 0]) * np.abs(x[:, 1]),
    }
    for name, potential in potentials.items():
        other = canonical(scaled(shaped(reward, potential), 7.0, constant=-20.0), sample)
        distances = [pearson_distance(getattr(own, f), getattr(other, f)) for f in FORMS]
        # Exact but for rounding, however few the draws: all steps share them.
        assert max(distances[:2]) < 1e-3
        if name == "in the family":
            assert distances[2] < 1e-3
        assert distances[2] < 0.6
        assert angle_distance(own.values, other.values) > 0.1


def test_with_other_draws_for_every_reward_shaping_would_not_go(sample):
    """What sampling error does: 128 draws of S' leave a constant, other 128 another one."""
    other = Sample.draw(pushed(2000), seed=2)
    forms = canonical(NEAR, sample).epic, canonical(NEAR, other).epic
    assert pearson_distance(*forms) > 0.1  # not even of the same steps
    again = replace(sample, jumps=other.jumps)
    assert 0.0 < pearson_distance(forms[0], canonical(NEAR, again).epic) < 0.1


def test_opposites_and_others(sample):
    near = canonical(NEAR, sample)
    opposite = canonical(scaled(NEAR, -2.0), sample)
    effort = canonical(EFFORT, sample)
    for form in FORMS:
        own = getattr(near, form)
        assert pearson_distance(own, getattr(opposite, form)) > 0.999
        assert 0.6 < pearson_distance(own, getattr(effort, form)) < 0.8  # 0.71 without relation
    found = compare(near, opposite)
    assert found.rank_correlation == pytest.approx(-1.0)


def test_what_only_jumps_tell_apart(sample):
    """A cap that no step reaches: EPIC's jumps reach it, DARD's steps do not."""
    one, other = canonical(SPEED, sample), canonical(CAPPED, sample)
    assert (one.values == other.values).all()
    assert pearson_distance(one.dard, other.dard) < 1e-6
    assert pearson_distance(one.epic, other.epic) > 0.1


def test_a_reward_that_wants_nothing(sample):
    nothing, near = canonical(NOTHING, sample), canonical(NEAR, sample)
    only_shaping = canonical(shaped(NOTHING, lambda x: 40.0 * x[:, 0] ** 2), sample)
    for form in FORMS:
        none, shaping = getattr(nothing, form), getattr(only_shaping, form)
        assert np.ptp(none) == np.ptp(shaping) == 0.0
        for one in (none, shaping):
            found = distance(one, getattr(near, form))
            assert (found.value, found.low, found.high, found.constant) == (1.0, 1.0, 1.0, 1)
        both = distance(none, shaping)
        assert (both.value, both.constant) == (0.0, 2)
    assert nothing.shaping == 1.0
    assert np.isnan(compare(nothing, near).rank_correlation)


def test_what_is_not_finite_is_left_out(sample):
    odd = reward_of(lambda s, a, n, w: np.where(s[:, 0] > 1.0, np.inf, -np.abs(n[:, 0] - 1.0)))
    near, found = canonical(NEAR, sample), canonical(odd, sample)
    missing = sample.steps.state[:, 0] > 1.0
    assert np.isnan(found.values).tolist() == missing.tolist()
    assert np.isfinite(found.starc[~missing]).all()
    assert np.isfinite(compare(near, found).epic.value)
    never = canonical(reward_of(lambda s, a, n, w: np.full(len(a), np.nan)), sample)
    assert np.isnan([getattr(compare(near, never), form).value for form in FORMS]).all()


def test_it_takes_few_values(sample):
    asked = []

    def function(state, action, next_state, w):
        asked.append(len(action))
        return -np.abs(next_state[:, 0])

    canonical(reward_of(function), sample)
    assert set(asked) == {2048}  # as compiled for training
    assert sum(asked) < 165_000


def test_weights_in_place_of_its_own(sample):
    reward = reward_of(lambda s, a, n, w: w[0] * n[:, 0] + w[1] * a[:, 0], (1.0, 0.5))
    other = reward_of(lambda s, a, n, w: 3.0 * n[:, 0] + 2.0 * a[:, 0])
    found, wanted = canonical(reward, sample, np.float32([3.0, 2.0])), canonical(other, sample)
    for form in FORMS:
        np.testing.assert_allclose(getattr(found, form), getattr(wanted, form), atol=1e-4)


def test_the_same_seed_gives_the_same_sample():
    forms = [canonical(NEAR, Sample.draw(pushed(300), seed)) for seed in (0, 0, 1)]
    assert (forms[0].epic == forms[1].epic).all()
    assert (forms[0].dard == forms[1].dard).all()
    assert not (forms[0].epic == forms[2].epic).all()
    assert distance(forms[0].epic, forms[0].dard) == distance(forms[1].epic, forms[1].dard)


def test_too_few_steps():
    with pytest.raises(ValueError, match="15 steps are too few"):
        Sample.draw(pushed(15), seed=0)
    assert len(canonical(NEAR, Sample.draw(pushed(16), seed=0)).epic) == 16


def test_a_distance_from_its_correlation():
    a, b = np.float64([1, 2, 3, 4]), np.float64([1, 3, 2, 4])  # their correlation is 0.8
    assert pearson_distance(a, b) == pytest.approx(np.sqrt(0.1))
    assert pearson_distance(a, -b) == pytest.approx(np.sqrt(0.9))
    assert pearson_distance(a, 1e-9 * a + 5.0) < 1e-6
    assert pearson_distance(1e300 * a, a) < 1e-9
    assert angle_distance(a, 3.0 * a) < 1e-15
    assert angle_distance(np.float64([1, 0, 0]), np.float64([0, 1, 0])) == pytest.approx(0.5**0.5)
    assert angle_distance(a, np.zeros(4)) == 1.0
    assert np.isnan(pearson_distance(a[:2], b[:2]))


def test_a_matrix_of_distances(sample):
    rewards = [NEAR, EFFORT, SPEED, CAPPED, scaled(NEAR, -1.0), NOTHING]
    forms = [canonical(reward, sample).epic for reward in rewards]
    matrix = distance_matrix(forms)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 0.0).all()
    assert matrix[0, 1] == pearson_distance(forms[0], forms[1])
    for i, j, k in itertools.permutations(range(5), 3):  # without the convention for constants
        assert matrix[i, j] <= matrix[i, k] + matrix[k, j] + 1e-12


def test_the_interval_covers():
    """Of pairs with a known correlation, in about 95 of 100."""
    rng = np.random.default_rng(0)
    truth, covered, widths = np.sqrt((1 - 0.6) / 2), 0, []
    for seed in range(60):
        a = rng.normal(size=300)
        b = 0.6 * a + 0.8 * rng.normal(size=300)
        found = distance(a, b, seed)
        assert found.low <= found.value <= found.high
        covered += found.low <= truth <= found.high
        widths.append(found.high - found.low)
    assert 50 <= covered <= 60
    assert 0.03 < np.mean(widths) < 0.12


@pytest.fixture(scope="module", params=["hopper", "half_cheetah"])
def robot(request):
    task = load_task(request.param)
    return task, Sample.draw(explore(task, seed=0, envs=32, steps=48), seed=0)


def test_real_robots(robot):
    task, sample = robot
    assert 0.7 < sample.dynamics < 1.0
    expert = expert_reward(task)
    own = canonical(expert, sample)
    # Height and bent joints are in STARC's family of potentials, which EPIC and DARD do not need.
    bent = shaped(scaled(expert, 2.0, 1.0), lambda x: 5.0 * x[:, 1] + (x[:, 3:6] ** 2).sum(1))
    same = compare(own, canonical(bent, sample))
    opposite = compare(own, canonical(scaled(expert, -1.0), sample))
    low = compare(own, canonical(reward_of(lambda s, a, n, w: -n[:, 1]), sample))
    sparse = compare(own, canonical(sparse_reward(task), sample))
    for form in FORMS:
        assert getattr(same, form).high < 2e-3
        assert getattr(opposite, form).low > 0.998
        found = getattr(low, form)
        assert 0.4 < found.low <= found.value <= found.high < 0.9
        # Random actions never succeed, so that nothing is known of it.
        assert (getattr(sparse, form).value, getattr(sparse, form).constant) == (1.0, 1)
    assert same.rank_correlation < 1.0


def test_of_a_speed_next_to_nothing_is_left(robot):
    """Why distances come with the share of shaping: to DARD the cheetah's expert is at rest."""
    task, sample = robot
    if task.name == "half_cheetah":
        expert = canonical(expert_reward(task), sample)
        still = canonical(reward_of(lambda s, a, n, w: -(a**2).sum(1)), sample)
        found = compare(expert, still)
        assert found.dard.value < 0.1
        assert found.rank_correlation < 0.5
        assert found.shaping[0] > 0.9 > 0.2 > found.shaping[1]
