"""What bad episodes have in common: found where it is, and not where it is chance."""

import numpy as np
import pytest

from reward_synth.feedback.contrast import contrast, ending
from reward_synth.records import Field, TaskDescription

STEPS = 50
ROBOT = TaskDescription(
    name="robot",
    sentence="Walk.",
    notes="",
    fields=(
        Field("tilt", (), "rad", "world", "pitch", (0.0,)),
        Field("speeds", (2,), "m/s and rad/s", "world", "x, yaw", (0.0, 0.0)),
        Field("last_action", (2,), "1", "actuator", "action before", (0.0, 0.0)),
    ),
    actions=("hip", "knee"),
    timestep=0.02,
    episode_steps=STEPS,
    terminates=True,
)


def episodes(count=10, seed=0):
    """State (L + 1, E, S) of noise, length, success and fitness; the later episodes are better."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(STEPS + 1, count, ROBOT.state_size))
    return state, np.full(count, STEPS), np.zeros(count, bool), np.arange(count, dtype=float)


def words(found):
    return [difference.quantity for difference in found.differences]


def test_where_episodes_differ_by_chance_nothing_is_told():
    told = 0
    for seed in range(200):
        told += len(contrast(ROBOT, *episodes(seed=seed)).differences) > 0
    assert told <= 20  # of the 200; 10 are expected


def test_a_fall_is_found_in_the_worst_third_with_its_unit():
    state, length, success, fitness = episodes()
    state[-5:, :, 0] += np.linspace(8.0, 0.0, 10)  # the worse, the more tilted, at the end
    found = contrast(ROBOT, state, length, success, fitness)
    assert (found.bad, found.good) == ("the 3 worst", "the 3 best")
    tilt = found.differences[0]
    assert (tilt.quantity, tilt.unit) == ("tilt at the end", "rad")
    assert tilt.bad == pytest.approx(state[-5:, :3, 0].mean())
    assert tilt.good == pytest.approx(state[-5:, -3:, 0].mean())


def test_failed_episodes_are_compared_with_successful_ones_where_there_are_some_of_each():
    state, length, success, fitness = episodes()
    success[[0, 4, 7, 9]] = True
    state[:, success, 1] += 3.0
    found = contrast(ROBOT, state, length, success, fitness)
    assert (found.bad, found.good) == ("the 6 that failed", "the 4 that succeeded")
    assert words(found)[0] == "speeds[0] on average"
    assert found.differences[0].unit == ""  # its components have different ones
    assert found.differences[0].good > found.differences[0].bad + 2


def test_falls_to_either_side_are_one_and_the_same():
    state, length, success, fitness = episodes(12)
    side = np.where(np.arange(12) % 2, 1.0, -1.0)
    state[-5:, :, 0] = side * np.linspace(6.0, 0.5, 12) + 0.1 * state[-5:, :, 0]
    assert "|tilt| at the end" in words(contrast(ROBOT, state, length, success, fitness))


def test_standing_still_shows_in_what_does_not_vary():
    state, length, success, fitness = episodes()
    state[:, :, 1] *= np.linspace(0.05, 1.0, 10)
    speed = contrast(ROBOT, state, length, success, fitness).differences[0]
    assert speed.quantity == "how much speeds[0] varies (standard deviation)"


def test_actions_are_named_and_lengths_compared():
    state, length, success, fitness = episodes()
    length = np.linspace(20, 50, 10).astype(int)
    state[:, :, 4] += np.linspace(0.0, 4.0, 10)
    found = contrast(ROBOT, state, length, success, fitness)
    assert {"length of the episode", "action 'knee' on average"} == {
        word.replace("at the end", "on average") for word in words(found)
    }


def test_what_comes_after_an_episode_does_not_count():
    state, length, success, fitness = episodes()
    length = np.full(10, 30)
    state[31:, :5] = 1e6
    assert contrast(ROBOT, state, length, success, fitness).differences == ()


def test_true_but_tiny_differences_are_left_out():
    state, length, success, fitness = episodes()
    state[:, :, 0] = np.sin(np.arange(STEPS + 1))[:, None] + 1e-3 * np.arange(10)
    assert contrast(ROBOT, state, length, success, fitness).differences == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_field_that_became_infinite_is_passed_over(value):
    state, length, success, fitness = episodes()
    state[3:, 2, 1] = value
    state[3:, 3, 1] = -value
    state[-5:, :, 0] += np.linspace(8.0, 0.0, 10)
    assert words(contrast(ROBOT, state, length, success, fitness)) == ["tilt at the end"]


def test_few_episodes_or_such_as_went_equally_well_are_not_compared():
    state, length, success, fitness = episodes(8)
    assert contrast(ROBOT, state, length, success, fitness) is None
    state, length, success, fitness = episodes()
    assert contrast(ROBOT, state, length, success, np.ones(10)) is None
    assert contrast(ROBOT, state, length, success, 5.0 + 0.01 * fitness) is None
    assert contrast(ROBOT, state, length, success, -5.0 + 0.1 * fitness) is not None


def test_what_was_sudden_about_an_end():
    state, _, _, _ = episodes()
    length = np.full(10, 40)
    state[37:41, :, 0] -= 6.0  # falls over
    state[:, :, 1] = np.linspace(0.0, 5.0, STEPS + 1)[:, None]  # goes on as ever
    state[41:, :, 2] = 1e6  # afterwards
    found = ending(ROBOT, state, length)
    (tilt,) = found.differences
    assert (tilt.quantity, tilt.unit) == ("tilt", "rad")
    assert tilt.bad == pytest.approx(state[37:41, :, 0].mean())
    assert tilt.good == pytest.approx(state[1:37, :, 0].mean())


def test_episodes_of_a_step_have_no_before():
    state, _, _, _ = episodes()
    assert ending(ROBOT, state, np.ones(10, int)).differences == ()
