"""Rewards and terms that do not move, or that drown each other."""

from dataclasses import replace

import numpy as np
import pytest

from reward_synth.reward.screen import screen
from tests.reward.screen.worlds import episodes, evidence, rewarding


def named(findings, screen):
    return [finding for finding in findings if finding.screen == screen]


@pytest.fixture
def endless(point):
    """The same task if no episode could be lost."""
    known = evidence(point)
    description = replace(known.description, terminates=False)
    return replace(known, description=description, lost=np.zeros_like(known.lost))


def near(x, v, u):
    return np.exp(-abs(x - 1))


def far_off(x, v, u):
    """Pays beyond 8 m, where random actions never lead."""
    return 1.0 * (x > 8)


def test_nothing_can_be_learned_from_zero(point):
    (found,) = named(screen(rewarding(far=far_off), evidence(point)), "constant")
    assert found.fatal
    assert "0 in all 3,000 steps" in found.words


def test_nor_from_what_float32_rounds_away(point):
    reward = rewarding(big=1000.0, near=lambda x, v, u: 1e-5 * near(x, v, u))
    (found,) = named(screen(reward, evidence(point)), "constant")
    assert "1e+03 in every step" in found.words


def test_nor_from_a_width_that_underflows(endless):
    reward = rewarding(near=lambda x, v, u: np.exp(-((x - 1) ** 2) - 40.0))
    assert named(screen(reward, endless), "constant")[0].fatal


def test_a_trained_policy_that_found_it_makes_it_a_note(point):
    known = evidence(point, trained=episodes([1.0, 9.0]))
    (found,) = named(screen(rewarding(far=far_off), known), "constant")
    assert not found.fatal
    assert "only where trained policies have been" in found.words


def test_one_success_in_random_exploration_is_enough(point):
    known = evidence(point)
    peak = known.explored.next_state[:, 0].max()
    assert not named(screen(rewarding(far=lambda x, v, u: 1.0 * (x == peak)), known), "constant")


@pytest.mark.parametrize(("living", "fatal"), [(1.0, False), (-1.0, True)])
def test_a_constant_pays_for_lasting_where_episodes_can_be_lost(point, living, fatal):
    (found,) = named(screen(rewarding(alive=living), evidence(point)), "constant")
    assert found.fatal == fatal


def test_a_constant_is_nothing_where_they_cannot(endless):
    assert named(screen(rewarding(alive=1.0), endless), "constant")[0].fatal


def test_a_term_that_is_never_reached_is_named(point):
    (found,) = screen(rewarding(near=near, far=far_off), evidence(point))
    assert (found.screen, found.fatal) == ("dead term", False)
    assert "'far' is 0" in found.words


def test_a_living_bonus_is_dead_only_where_no_episode_can_be_lost(point, endless):
    reward = rewarding(near=near, alive=1.0)
    assert screen(reward, evidence(point)) == ()
    (found,) = screen(reward, endless)
    assert "'alive' is always 1" in found.words


@pytest.mark.parametrize(
    ("weight", "word"),
    [(1e-6, "larger weights"), (1e-4, None), (1.0, None), (500.0, None), (5e3, "smaller weight")],
)
def test_sizes_that_training_bears(point, weight, word):
    reward = rewarding(near=lambda x, v, u: weight * near(x, v, u))
    found = named(screen(reward, evidence(point)), "scale")
    assert [word in finding.words for finding in found] == ([True] if word else [])
    assert not any(finding.fatal for finding in found)


@pytest.mark.parametrize(("offset", "caught"), [(20.0, False), (50.0, True)])
def test_a_constant_that_drowns_what_moves(point, offset, caught):
    """The near term has a standard deviation of 0.28."""
    reward = rewarding(near=near, alive=offset)
    found = named(screen(reward, evidence(point)), "scale")
    assert bool(found) == caught
    if caught:
        assert "'alive'" in found[0].words


def test_one_term_that_leads(point):
    reward = rewarding(speed=lambda x, v, u: 8 * v, near=near)
    (found,) = named(screen(reward, evidence(point)), "one term")
    assert "'speed' has over 99%" in found.words
    assert not found.fatal


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_98_percent_is_what_experts_have(point, weight):
    reward = rewarding(speed=lambda x, v, u: weight * v, near=near)
    assert not named(screen(reward, evidence(point)), "one term")


def test_a_term_leads_only_if_it_does_so_for_trained_policies_too(point):
    reward = rewarding(speed=lambda x, v, u: 8 * v, near=near)
    still = evidence(point, trained=episodes([0.0, 0.5, 1.0, 2.0], velocity=0.0))
    assert not named(screen(reward, still), "one term")
