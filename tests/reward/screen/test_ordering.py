"""Rewards that pay more for what is known to be worse."""

import numpy as np
import pytest

from reward_synth.reward.screen import Episodes, screen
from tests.reward.screen.worlds import episodes, evidence, rewarding


def found(reward, known, screen_name):
    return [finding for finding in screen(reward, known) if finding.screen == screen_name]


def near(x, v, u):
    return np.exp(-abs(x - 1))


GOOD = np.linspace(0.9, 1.1, 10)
BAD = np.concatenate([np.linspace(-2, 0, 9), [2.5]])
RECORDED = np.concatenate([GOOD, BAD])


def test_successes_that_are_paid_less_than_a_failure(point):
    """The 2.5 m of one failure beat all successes."""
    reward = rewarding(near=near, right=lambda x, v, u: 2.0 * x)
    (finding,) = found(reward, evidence(point, trained=episodes(RECORDED)), "episode order")
    assert finding.fatal
    assert "10 recorded episodes that reached the goal only 0%" in finding.words
    assert "'right'" in finding.words


def test_in_order(point):
    known = evidence(point, trained=episodes(RECORDED))
    assert screen(rewarding(near=near), known) == ()


@pytest.mark.parametrize(("beaten", "said"), [(2, False), (3, True)])
def test_eight_of_ten_will_do(point, beaten, said):
    """The best failure is paid 0; so many successes are paid less."""
    paid = np.r_[np.full(10 - beaten, 1.0), np.full(beaten, -1.0), np.zeros(1), np.full(9, -2.0)]
    recorded = episodes(RECORDED)
    at = recorded.transitions.next_state[:, 0]
    table = dict(zip(at.tolist(), np.repeat(paid, 20).tolist(), strict=True))

    def looked_up(x, v, u):
        return np.array([table.get(value, 0.1 * value) for value in x.tolist()])

    assert (
        bool(found(rewarding(table=looked_up), evidence(point, trained=recorded), "episode order"))
        == said
    )


@pytest.mark.parametrize("left_out", [RECORDED[1:], RECORDED[:-1]], ids=["success", "failure"])
def test_silent_below_ten_of_each(point, left_out):
    reward = rewarding(left=lambda x, v, u: -abs(x + 2))
    assert found(reward, evidence(point, trained=episodes(RECORDED)), "episode order")
    assert not found(reward, evidence(point, trained=episodes(left_out)), "episode order")


def test_a_short_burst_that_no_sum_prefers_is_only_told(point):
    """One failure is paid 1.5 times as much a step, for a tenth of the time."""
    burst = episodes([1.6], steps=2)
    recorded = Episodes.join([episodes(np.r_[GOOD, np.linspace(-2, 0, 9)]), burst])
    reward = rewarding(near=near, edge=lambda x, v, u: 1.0 * (abs(x - 1.6) < 0.1))
    (finding,) = found(reward, evidence(point, trained=recorded), "episode order")
    assert not finding.fatal


def test_fitter_is_paid_less(point):
    reward = rewarding(near=lambda x, v, u: 0.1 * near(x, v, u), away=lambda x, v, u: abs(x - 1))
    (finding,) = found(reward, evidence(point, trained=episodes(np.linspace(-2, 0, 30))), "rank")
    assert not finding.fatal
    assert "rank correlation -1.00" in finding.words
    assert "'away'" in finding.words


def test_chance_is_not_an_order(point):
    fitness = np.random.default_rng(1).normal(size=30)
    recorded = episodes(np.linspace(-2, 0, 30), fitness=fitness)
    assert found(rewarding(near=near), evidence(point, trained=recorded), "rank") == []


@pytest.mark.parametrize("count", [19, 20])
def test_few_episodes_have_no_order(point, count):
    recorded = episodes(np.linspace(-2, 0, count))
    reward = rewarding(away=lambda x, v, u: abs(x - 1))
    assert bool(found(reward, evidence(point, trained=recorded), "rank")) == (count == 20)


def test_one_fitness_for_all_has_none_either(point):
    recorded = episodes(np.linspace(-2, 0, 30), fitness=np.ones(30))
    assert found(rewarding(near=near), evidence(point, trained=recorded), "rank") == []
