"""Rewards that are no pure function of single steps."""

import itertools

import numpy as np
import pytest

from reward_synth.reward.rewards import Reward
from reward_synth.reward.screen import screen
from tests.reward.screen.worlds import episodes, evidence, explored, rewarding


def only(findings):
    (finding,) = findings
    assert finding.fatal
    return finding


def plain(function, terms=("near",)):
    return Reward(terms, np.zeros(0, np.float32), function)


def near(next_state):
    return -np.abs(next_state[:, 0] - 1.0)


def test_a_sound_reward_is_left_alone(point):
    assert screen(rewarding(near=lambda x, v, u: np.exp(-abs(x - 1))), evidence(point)) == ()


def test_a_column_too_many_is_a_wrong_shape(point):
    reward = plain(lambda s, a, n, w: (near(n)[:, None], near(n)[:, None]))
    found = only(screen(reward, evidence(point)))
    assert found.screen == "shapes"
    assert "(2048, 1)" in found.words


def test_a_missing_term_is_a_wrong_shape(point):
    reward = plain(lambda s, a, n, w: (near(n), near(n)[:, None]), ("near", "effort"))
    assert only(screen(reward, evidence(point))).screen == "shapes"


def test_infinite_in_explored_states_names_the_term(point):
    reward = rewarding(
        near=lambda x, v, u: -abs(x), log=lambda x, v, u: np.log(np.maximum(x + 2.6, 0) + 0 * x)
    )
    with np.errstate(divide="ignore"):
        found = only(screen(reward, evidence(point)))
    assert found.screen == "finite"
    assert "'log'" in found.words
    assert "random exploration" in found.words


def test_infinite_only_where_trained_policies_have_been(point):
    """Exploration is at |x| < 6; a trained policy was at 9."""
    reward = rewarding(near=lambda x, v, u: np.where(x > 8, np.nan, np.exp(-abs(x - 1))))
    assert screen(reward, evidence(point)) == ()
    found = only(screen(reward, evidence(point, trained=episodes([1.0, 9.0]))))
    assert "'near'" in found.words
    assert "trained policies" in found.words


def test_finite_terms_of_an_infinite_reward(point):
    reward = plain(lambda s, a, n, w: (near(n) * np.inf, near(n)[:, None]))
    assert "each of its terms is finite" in only(screen(reward, evidence(point))).words


@pytest.mark.parametrize(("largest", "caught"), [(0.9e6, False), (1.1e6, True)])
def test_too_large_for_training(point, largest, caught):
    steps = explored()
    peak = steps.next_state[:, 0].max()
    reward = rewarding(
        near=lambda x, v, u: np.exp(-abs(x)), spike=lambda x, v, u: largest * (x == peak)
    )
    fatal = [f for f in screen(reward, evidence(point, explored=steps)) if f.fatal]
    assert bool(fatal) == caught
    if caught:
        assert "'spike'" in fatal[0].words


def test_numbers_that_change_when_asked_again(point):
    count = itertools.count()

    def function(state, action, next_state, weights):
        values = near(next_state) * np.float32(1.0 + 1e-6 * next(count))
        return values, values[:, None]

    assert only(screen(plain(function), evidence(point))).screen == "determinism"


@pytest.mark.parametrize(
    "other",
    [lambda values: np.roll(values, 1), lambda values: values.mean()],
    ids=["neighbour", "mean"],
)
def test_a_step_judged_by_those_beside_it(point, other):
    def function(state, action, next_state, weights):
        values = near(next_state) - other(near(next_state))
        return values, values[:, None]

    assert only(screen(plain(function), evidence(point))).screen == "batch"


def test_rounding_that_depends_on_the_place_is_forgiven(point):
    lanes = np.where(np.arange(2048) % 8 == 7, np.float32(1 + 2e-7), np.float32(1))

    def function(state, action, next_state, weights):
        values = near(next_state) * lanes
        return values, values[:, None]

    assert not any(f.fatal for f in screen(plain(function), evidence(point)))
