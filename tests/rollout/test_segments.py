"""Segments: where they are cut, and where they are not."""

import numpy as np
import pytest

from reward_synth.rollout.episodes import Rollouts
from reward_synth.rollout.segments import Segments, cut, strewn

LENGTHS = np.array([10, 3, 6])


def rollouts():
    """States count 100 * episode + time; after an episode's end they stand still."""
    steps, episodes = LENGTHS.max(), len(LENGTHS)
    time = np.minimum(np.arange(steps + 1)[:, None], LENGTHS)
    state = (100.0 * np.arange(episodes) + time)[..., None]
    happened = np.arange(steps)[:, None] < LENGTHS
    return Rollouts(
        length=LENGTHS,
        end=np.zeros(episodes, int),
        success=np.zeros(episodes, bool),
        state=state,
        action=np.where(happened, 1.0, 0.0)[..., None],
        fitness=np.where(happened, time[1:], 0.0),
        reward=np.zeros((steps, episodes)),
        terms=np.zeros((steps, episodes, 1)),
        qpos=np.zeros((steps + 1, episodes, 1)),
    )


def begins(segments):
    return segments.state[:, 0, 0].astype(int).tolist()


def test_every_segment_there_is_and_none_twice():
    segments = cut(rollouts(), 5, 1000, np.random.default_rng(0))
    assert sorted(begins(segments)) == [0, 1, 2, 3, 4, 5, 200, 201]
    assert segments.state.shape == (8, 5, 1)


def test_steps_follow_each_other_and_happened():
    segments = cut(rollouts(), 4, 6, np.random.default_rng(0))
    assert len(segments) == 6
    assert np.array_equal(segments.next_state, segments.state + 1)
    assert np.array_equal(np.diff(segments.state, axis=1), np.ones((6, 3, 1)))
    assert (segments.action == 1.0).all()
    assert np.array_equal(segments.fitness, (segments.next_state % 100).sum((1, 2)))


def test_the_seed_decides():
    one, same, other = (begins(cut(rollouts(), 2, 5, np.random.default_rng(s))) for s in (0, 0, 1))
    assert one == same != other


def test_episodes_that_are_all_too_short_hold_none():
    segments = cut(rollouts(), 11, 5, np.random.default_rng(0))
    assert len(segments) == 0
    assert segments.state.shape == (0, 11, 1)


def test_a_segment_has_a_step():
    with pytest.raises(ValueError, match="at least one step"):
        cut(rollouts(), 0, 5, np.random.default_rng(0))


def test_joined_and_flat():
    parts = [cut(rollouts(), 3, 2, np.random.default_rng(s)) for s in (0, 1)]
    joined = Segments.join(parts)
    assert len(joined) == 4
    assert begins(joined) == begins(parts[0]) + begins(parts[1])
    assert np.array_equal(joined.transitions.state[3:6], joined.state[1])


def test_an_episode_is_strewn_over_a_segment_whatever_its_length():
    whole, short = strewn(rollouts(), 0, 5), strewn(rollouts(), 1, 5)
    assert whole.state[0, :, 0].tolist() == [0, 2, 4, 7, 9]  # of 0 to 9
    assert short.state[0, :, 0].tolist() == [100, 100, 101, 102, 102]
    for one in (whole, short):
        assert np.array_equal(one.next_state, one.state + 1)
        assert (one.action == 1.0).all()
        assert np.array_equal(one.fitness, (one.next_state % 100).sum((1, 2)))
