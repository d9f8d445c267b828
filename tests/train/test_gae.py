"""GAE against arithmetic done by hand."""

import jax.numpy as jnp
import numpy as np

from reward_synth.train.gae import gae


def run(reward, value, next_value, terminated, truncated):
    column = lambda x, dtype: jnp.asarray(x, dtype)[:, None]  # noqa: E731
    return np.asarray(
        gae(
            column(reward, float),
            column(value, float),
            column(next_value, float),
            column(terminated, bool),
            column(truncated, bool),
            0.5,
            0.5,
        )
    )[:, 0]


def test_unbroken_episode():
    # deltas: 1 + 0.5*4 - 2 = 1;  2 + 0.5*6 - 4 = 1;  3 + 0.5*8 - 6 = 1; decay 0.25
    found = run([1, 2, 3], [2, 4, 6], [4, 6, 8], [0, 0, 0], [0, 0, 0])
    np.testing.assert_allclose(found, [1 + 0.25 * (1 + 0.25), 1.25, 1.0])


def test_termination_is_worth_nothing_beyond_and_cuts_the_sum():
    # step 1 terminates: delta 2 - 4 = -2; step 2 belongs to the next episode
    found = run([1, 2, 3], [2, 4, 6], [4, 100, 8], [0, 1, 0], [0, 0, 0])
    np.testing.assert_allclose(found, [1 + 0.25 * -2, -2.0, 1.0])


def test_truncation_keeps_the_value_of_the_last_state_and_cuts_the_sum():
    # step 1 is truncated: delta 2 + 0.5*10 - 4 = 3
    found = run([1, 2, 3], [2, 4, 6], [4, 10, 8], [0, 0, 0], [0, 1, 0])
    np.testing.assert_allclose(found, [1 + 0.25 * 3, 3.0, 1.0])
