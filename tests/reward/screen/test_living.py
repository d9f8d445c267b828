"""Rewards under which losing the episode pays."""

from dataclasses import replace

import numpy as np
import pytest

from reward_synth.reward.screen import screen
from tests.reward.screen.worlds import episodes, evidence, explored, moves, rewarding


def found(reward, known):
    return [finding for finding in screen(reward, known) if finding.screen == "living reward"]


def far(x, v, u):
    return -abs(x - 1)


def test_a_cost_of_living_that_nothing_makes_up_for_is_fatal(point):
    reward = rewarding(speed=lambda x, v, u: v, rent=-4.0)
    (finding,) = found(reward, evidence(point))
    assert finding.fatal
    assert "'rent'" in finding.words
    assert "Pay for every step survived" in finding.words


def test_a_distance_is_honest_but_tempts_an_untrained_robot(point):
    """At the goal it costs nothing to live, so the best policy lives."""
    (finding,) = found(rewarding(far=far), evidence(point))
    assert not finding.fatal
    assert "untrained robot is paid for losing" in finding.words


def test_no_word_of_a_reward_that_pays_for_living(point):
    assert found(rewarding(near=lambda x, v, u: np.exp(-abs(x - 1))), evidence(point)) == []


def test_no_word_if_losing_costs_more_than_living_on(point):
    """Going on costs 4 a step, 400 in all; losing costs 1,000."""
    reward = rewarding(rent=-4.0, fall=lambda x, v, u: -1000.0 * (abs(x) > 3), v=lambda x, v, u: v)
    assert found(reward, evidence(point)) == []
    cheap = rewarding(rent=-4.0, fall=lambda x, v, u: -100.0 * (abs(x) > 3), v=lambda x, v, u: v)
    assert found(cheap, evidence(point))[0].fatal


def test_no_word_where_episodes_are_not_lost(point):
    reward = rewarding(speed=lambda x, v, u: v, rent=-4.0)
    known = evidence(point, explored=moves(np.linspace(-2.9, 2.9, 3000), np.linspace(-1, 1, 3000)))
    assert not known.lost.any()
    assert found(reward, known) == []


def test_no_word_where_the_episode_ends_with_the_goal(point):
    """The fewest steps to the goal: a cost a step is how to ask for that."""
    task = replace(point, terminated=lambda state: abs(state.position - 1.0) < 0.2)
    known = evidence(task)
    assert not known.lost.any()
    assert found(rewarding(speed=lambda x, v, u: v, rent=-4.0), known) == []


def test_a_trained_policy_that_lives_well_clears_it(point):
    """Random actions earn at most 3 - 4; a trained policy was seen to go at 9 m/s."""
    reward = rewarding(speed=lambda x, v, u: v, rent=-4.0)
    fast = episodes(np.ones(10), velocity=9.0)
    assert not any(finding.fatal for finding in found(reward, evidence(point, trained=fast)))
    slow = episodes(np.ones(10), velocity=1.0)
    assert found(reward, evidence(point, trained=slow))[0].fatal


def test_losses_of_trained_policies_count(point):
    """The last steps of theirs that were terminated short of the goal."""
    safe = moves(np.linspace(-2.9, 2.9, 3000), np.linspace(-1, 1, 3000))
    lost = episodes(np.full(10, 3.5), terminated=np.ones(10, bool))
    reward = rewarding(speed=lambda x, v, u: v, rent=-4.0)
    assert found(reward, evidence(point, explored=safe, trained=lost))[0].fatal


@pytest.mark.parametrize(("rent", "said"), [(-0.3, True), (0.0, False)])
def test_a_mean_that_may_be_zero_is_not_negative(point, rent, said):
    """The speed's mean over 3,000 steps is 0 +- 0.01."""
    reward = rewarding(speed=lambda x, v, u: v, rent=rent, one=0.0)
    assert bool(found(reward, evidence(point, explored=explored(3)))) == said
