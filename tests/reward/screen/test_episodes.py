"""Episodes: sums by hand, and thinning that keeps them."""

import numpy as np
import pytest

from reward_synth.reward.screen import Episodes
from tests.reward.screen.worlds import moves


@pytest.fixture
def three() -> Episodes:
    """Of 1, 3 and 2 steps; the second was lost, the third ended in success."""
    return Episodes.whole(
        moves(np.arange(6.0)),
        np.array([1, 3, 2]),
        terminated=np.array([False, True, True]),
        success=np.array([False, False, True]),
        fitness=np.array([1.0, 2.0, 3.0]),
    )


def test_sums_and_means(three):
    values = np.array([5.0, 1.0, 2.0, 3.0, 10.0, 20.0])
    assert three.length.tolist() == [1, 3, 2]
    assert three.sums(values).tolist() == [5, 6, 30]
    assert three.means(values).tolist() == [5, 2, 15]
    assert three.sums(np.stack([values, -values], 1))[:, 1].tolist() == [-5, -6, -30]


def test_only_an_end_short_of_the_goal_is_a_loss(three):
    assert three.lost.tolist() == [False, False, False, True, False, False]


def test_join_numbers_through(three):
    both = Episodes.join([three, three.head(1)])
    assert both.episode.tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert both.fitness.tolist() == [1, 2, 3, 1]
    assert len(both) == 4


def test_head_is_whole_episodes(three):
    head = three.head(2)
    assert head.transitions.next_state[:, 0].tolist() == [0, 1, 2, 3]
    assert head.success.tolist() == [False, False]
    assert len(three.head(9)) == 3


def test_short_episodes_are_not_thinned(three):
    thin = three.thinned(3, np.random.default_rng(0))
    assert thin.weight.tolist() == [1.0] * 6
    np.testing.assert_array_equal(thin.transitions.next_state, three.transitions.next_state)


def test_thinned_episodes_keep_their_sums_and_their_last_step():
    """A walk of 1,000 steps that pays 1 a step on a slope, and 500 at its last."""
    length = np.array([1000, 400])
    value = np.concatenate([np.linspace(0, 2, n) for n in length])
    last = length.cumsum() - 1
    value[last] = 500.0
    steps = moves(value)
    none = np.zeros(2, bool)
    whole = Episodes.whole(steps, length, terminated=~none, success=none, fitness=np.zeros(2))
    thin = whole.thinned(32, np.random.default_rng(0))
    assert np.bincount(thin.episode).tolist() == [32, 32]
    np.testing.assert_allclose(thin.length, length)
    paid = thin.transitions.next_state[:, 0]
    np.testing.assert_allclose(thin.sums(paid), whole.sums(value), rtol=0.01)
    assert paid[thin.lost].tolist() == [500.0, 500.0]
    again = thin.thinned(8, np.random.default_rng(0))
    np.testing.assert_allclose(again.length, length)
    np.testing.assert_allclose(
        again.sums(again.transitions.next_state[:, 0]), whole.sums(value), rtol=0.05
    )
