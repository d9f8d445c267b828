"""Held-out episodes as they are screened on."""

import numpy as np

from reward_synth.rollout.episodes import ENDS, Rollouts


def test_episodes_have_the_steps_that_happened():
    """Two episodes side by side, of 3 steps and of 1, which was terminated."""
    state = np.arange(8.0).reshape(4, 2, 1)  # beyond its length an episode's state is not read
    fitness = np.array([[1.0, 5.0], [2.0, 0.0], [3.0, 0.0]])
    rollouts = Rollouts(
        length=np.array([3, 1]),
        end=np.array([ENDS.index("time limit"), ENDS.index("terminated")]),
        success=np.array([True, False]),
        state=state,
        action=10.0 * state[:-1],
        fitness=fitness,
        reward=fitness,
        terms=fitness[..., None],
        qpos=state,
    )
    episodes = rollouts.episodes
    assert episodes.transitions.state.ravel().tolist() == [0, 2, 4, 1]
    assert episodes.transitions.action.ravel().tolist() == [0, 20, 40, 10]
    assert episodes.transitions.next_state.ravel().tolist() == [2, 4, 6, 3]
    assert episodes.length.tolist() == [3, 1]
    assert episodes.lost.tolist() == [False, False, False, True]
    assert episodes.success.tolist() == [True, False]
    assert episodes.fitness.tolist() == [6.0, 5.0]
