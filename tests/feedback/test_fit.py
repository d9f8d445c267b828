"""Weights from preferences: known ones are found again, and nothing is made of nothing."""

import itertools
import math

import numpy as np
import pytest

from reward_synth.feedback.annotations import Verdict
from reward_synth.feedback.fit import FEWEST_PAIRS, Judgement, fit_weights
from reward_synth.feedback.teachers import Noisy, Oracle, Shown
from reward_synth.records import TracedReward
from reward_synth.reward.parse import parse_source
from reward_synth.reward.rewards import Reward, traced_reward
from reward_synth.reward.trace import trace
from reward_synth.reward.transitions import Transitions, measure
from reward_synth.rollout.explore import explore
from reward_synth.rollout.segments import Segments
from reward_synth.task import load_task

LENGTH = 20
PROGRAM = '''"""A pole up, a cart in the middle, and not much effort."""
WEIGHTS = {"up": 1.0, "centre": 1.0, "effort": -1.0, "sharp": 1.0, "off": 0.0}

def reward(state, action, next_state, w):
    away = next_state.cart_position
    terms = {
        "up": w["up"] * jnp.cos(next_state.pole_angle),
        "centre": w["centre"] * jnp.exp(-w["sharp"] * away**2),
        "effort": w["effort"] * jnp.sum(action**2),
        "off": w["off"] * next_state.cart_velocity,
    }
    return sum(terms.values()), terms
'''
TRUE = np.array([2.0, 8.0, -0.5, 4.0, 0.0])


@pytest.fixture(scope="module")
def task():
    return load_task("cartpole_swingup")


@pytest.fixture(scope="module")
def reward(task):
    traced = trace(parse_source(PROGRAM), task.description)
    assert isinstance(traced, TracedReward), traced
    found = traced_reward(traced, task)
    assert isinstance(found, Reward), found
    return found


@pytest.fixture(scope="module")
def segments(task):
    """100 of random actions; explore gives a step of all environments after the other."""
    envs, steps = 20, 5 * LENGTH
    found = explore(task, 3, envs, steps, threads=1)
    assert len(found) == envs * steps
    parts = [
        np.swapaxes(x.reshape(steps, envs, -1), 0, 1).reshape(-1, LENGTH, x.shape[-1])
        for x in (found.state, found.action, found.next_state)
    ]
    return Segments(*parts, fitness=np.zeros(len(parts[0])))


def sums(reward, segments, weights):
    return measure(reward, segments.transitions, np.float32(weights))[0].reshape(-1, LENGTH).sum(1)


def judged(teacher, fitness, count, seed=0):
    """A teacher's verdicts on random pairs."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.combinations(range(len(fitness)), 2))
    shown = [Shown(f"s{i:03d}", float(f)) for i, f in enumerate(fitness)]
    return [
        Judgement(i, j, teacher.compare(shown[i], shown[j]))
        for i, j in (pairs[k] for k in rng.permutation(len(pairs))[:count])
    ]


def test_it_finds_the_weights_that_an_oracle_goes_by(reward, segments):
    fit = fit_weights(reward, segments, judged(Oracle(), sums(reward, segments, TRUE), 300))
    up, centre, effort, sharp, off = fit.weights
    assert fit.believed
    assert fit.pairs == 300
    assert fit.accuracy > 0.95
    assert fit.accuracy > fit.accuracy_before
    assert fit.log_likelihood > 300 * math.log(0.5)
    assert up / centre == pytest.approx(0.25, rel=0.2)  # from 1
    assert effort / up == pytest.approx(-0.25, rel=0.2)  # from -1
    assert sharp == pytest.approx(4.0, rel=0.2)  # from 1; no factor of the others
    assert off == 0.0


def test_an_erring_teacher_costs_accuracy_and_not_the_ratios(reward, segments):
    fitness = sums(reward, segments, TRUE)
    beta = 3.0 / np.std(fitness)
    fit = fit_weights(reward, segments, judged(Noisy(beta), fitness, 400))
    oracle = fit_weights(reward, segments, judged(Oracle(), fitness, 400))
    assert fit.believed
    assert fit.accuracy < oracle.accuracy
    assert fit.rationality < oracle.rationality
    assert fit.weights[0] / fit.weights[1] == pytest.approx(0.25, rel=0.6)


def test_the_overall_scale_stays_where_it_was(reward, segments):
    """A reward ten times as large has the same ratios and stays ten times as large."""
    answers = judged(Oracle(), sums(reward, segments, TRUE), 100)
    tenfold = Reward(reward.terms, reward.weights * [10, 10, 10, 1, 1], reward.function)
    one, ten = (np.array(fit_weights(r, segments, answers).weights) for r in (reward, tenfold))
    assert np.allclose(ten[:3], 10 * one[:3], rtol=0.05)
    assert np.abs(np.log(one[:3] / reward.weights[:3])).mean() < 1.5


def test_order_and_sides_do_not_matter(reward, segments):
    answers = judged(Oracle(), sums(reward, segments, TRUE), 60)
    turned = [Judgement(a.second, a.first, a.verdict.turned) for a in reversed(answers)]
    one, other = (fit_weights(reward, segments, some) for some in (answers, turned))
    assert np.allclose(one.weights, other.weights, rtol=0.02)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=0.01)


def test_weights_that_explain_everything_are_kept(reward, segments):
    answers = judged(Oracle(), sums(reward, segments, reward.weights), 60)
    fit = fit_weights(reward, segments, answers)
    assert fit.accuracy_before == 1.0
    assert not fit.believed


def test_ties_draw_returns_together(reward, segments):
    """Those that were called equal lie closer than before; alone they teach no direction."""
    fitness = sums(reward, segments, TRUE)
    order = np.argsort(fitness)
    ties = [Judgement(int(i), int(j), Verdict.EQUAL) for i, j in itertools.pairwise(order)]
    fit = fit_weights(reward, segments, ties)
    assert fit.pairs == 0
    assert not fit.believed
    assert math.isnan(fit.accuracy)

    def spread(weights):
        values = sums(reward, segments, weights)
        return np.mean(np.abs(np.diff(values[order]))) / np.std(values)

    answers = judged(Oracle(), fitness, 20)
    assert spread(fit_weights(reward, segments, answers + ties).weights) < spread(reward.weights)


def test_few_pairs_are_not_believed(reward, segments):
    fitness = sums(reward, segments, TRUE)
    for count in (FEWEST_PAIRS - 1, FEWEST_PAIRS):
        fit = fit_weights(reward, segments, judged(Oracle(), fitness, count))
        assert math.isnan(fit.accuracy) == (count < FEWEST_PAIRS)
        assert fit.believed <= (count >= FEWEST_PAIRS)


def test_coin_flips_are_not_believed(reward, segments):
    fitness = sums(reward, segments, TRUE)
    fits = [
        fit_weights(reward, segments, judged(Noisy(0.0, seed), fitness, 150, seed))
        for seed in range(2)
    ]
    assert all(fit.accuracy < 0.65 for fit in fits)
    assert all(fit.log_likelihood < 150 * math.log(0.5) + 10 for fit in fits)


def test_nothing_to_learn_from(reward, segments):
    fit = fit_weights(reward, segments, [])
    assert fit.weights == tuple(reward.weights)
    assert not fit.believed
    assert fit.pairs == 0


def test_a_reward_that_does_not_depend_on_its_weights_keeps_them(reward, segments):
    constant = Reward(("c",), np.float32([2.0, 3.0]), lambda s, a, n, w: (s[:, 0] * 0, s[:, :1]))
    answers = judged(Oracle(), sums(reward, segments, TRUE), 30)
    fit = fit_weights(constant, segments, answers)
    assert fit.weights == pytest.approx((2.0, 3.0))
    assert fit.accuracy == fit.accuracy_before == 0.5
    assert not fit.believed


@pytest.mark.parametrize("weights", [[], [0.0, 0.0]])
def test_no_weights_to_fit(reward, segments, weights):
    plain = Reward(("x",), np.float32(weights), lambda s, a, n, w: (n[:, 0], n[:, :1]))
    fit = fit_weights(plain, segments, judged(Oracle(), sums(reward, segments, TRUE), 30))
    assert fit.weights == tuple(weights)
    assert not fit.believed


def test_a_reward_that_overflows_is_turned_back_from(segments):
    """Its best weights lie where float32 ends."""

    def steep(s, a, n, w):
        value = np.float32(1e30) * w[0] ** 8 * n[:, 0] + w[1] * n[:, 1]
        return value, value[:, None]

    fitness = segments.next_state[:, :, 0].sum(1)
    reward = Reward(("x",), np.float32([1.0, 1.0]), steep)
    fit = fit_weights(reward, segments, judged(Oracle(), fitness, 40))
    assert np.isfinite(fit.weights).all()
    assert np.isfinite(fit.log_likelihood)


def fitted(task, segments, source, true):
    reward = traced_reward(trace(parse_source(source), task.description), task)
    assert isinstance(reward, Reward), reward
    return fit_weights(reward, segments, judged(Oracle(), sums(reward, segments, true), 80))


def test_kinks_sorts_and_loops_have_a_derivative(task, segments):
    source = '''"""Clipped, sorted, summed in a loop."""
WEIGHTS = {"up": 1.0, "edge": 1.0}

def reward(state, action, next_state, w):
    tip = jnp.sort(w["up"] * next_state.pole_tip_position)
    up = 0.0
    for i in range(2):
        up = up + tip[i]
    edge = jnp.clip(w["edge"] * next_state.cart_position, -0.5, 0.5)
    terms = {"up": up, "edge": edge}
    return sum(terms.values()), terms
'''
    fit = fitted(task, segments, source, [0.3, 3.0])
    assert fit.accuracy > fit.accuracy_before
    assert fit.weights[0] < fit.weights[1]


def test_without_a_derivative_weights_stay(task, segments):
    source = '''"""The root of nothing falls infinitely steeply."""
WEIGHTS = {"up": 1.0, "edge": 1.0}

def reward(state, action, next_state, w):
    up = jnp.sqrt(w["up"] * jnp.maximum(-jnp.abs(next_state.pole_angle), 0.0))
    edge = w["edge"] * next_state.cart_position + w["up"] * next_state.pole_angle
    terms = {"up": up, "edge": edge}
    return sum(terms.values()), terms
'''
    fit = fitted(task, segments, source, [0.1, 5.0])
    assert np.isfinite(fit.weights).all()
    assert fit.weights[0] == 1.0


@pytest.mark.parametrize("pair", [(0, 0), (0, 100), (-1, 2)])
def test_an_answer_about_nothing_is_an_error(reward, segments, pair):
    with pytest.raises(ValueError, match="no two of the 100 segments"):
        fit_weights(reward, segments, [Judgement(*pair, Verdict.FIRST)])


def test_measure_and_transitions_agree(reward, segments):
    """A segment's steps stay together."""
    one = Transitions(segments.state[7], segments.action[7], segments.next_state[7])
    assert measure(reward, one)[0].sum() == pytest.approx(
        sums(reward, segments, reward.weights)[7], rel=1e-5
    )
