"""What a step of a batch is worth: everything that follows from its states, compiled as one."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.task import Task, batched


class Outcome(NamedTuple):
    """Of n steps.

    Attributes:
      observation: (n, O) of the next states.
      reward: (n,).
      terms: (n, T) of the reward.
      fitness: (n,).
      success: (n,) bool, the goal holds in the next state.
      terminated: (n,) bool, the task ends the episode there.
    """

    observation: np.ndarray
    reward: np.ndarray
    terms: np.ndarray
    fitness: np.ndarray
    success: np.ndarray
    terminated: np.ndarray


def outcome(
    task: Task, reward: Reward, state: np.ndarray, action: np.ndarray, next_state: np.ndarray
) -> Outcome:
    """Evaluate steps from states, (n, S), with actions, (n, A) in [-1, 1], to states, (n, S)."""
    packed = np.asarray(_packed(task, reward, state, action, next_state, reward.weights))
    value, fitness, success, terminated = packed[:, :4].T
    terms, observation = np.split(packed[:, 4:], [len(reward.terms)], axis=1)
    return Outcome(observation, value, terms, fitness, success > 0.5, terminated > 0.5)


@partial(jax.jit, static_argnums=(0, 1))
def _packed(
    task: Task,
    reward: Reward,
    state: jax.Array,
    action: jax.Array,
    next_state: jax.Array,
    weights: jax.Array,
) -> jax.Array:
    """All of an outcome in one array, (n, 4 + T + O): each that leaves JAX takes its time."""
    value, terms = reward.function(state, action, next_state, weights)
    numbers = (
        value,
        batched.fitness(task, state, action, next_state),
        batched.success(task, next_state),
        batched.terminated(task, next_state),
    )
    columns = [jnp.asarray(number, jnp.float32)[:, None] for number in numbers]
    observation = jnp.asarray(batched.observe(task, next_state), jnp.float32)
    return jnp.concatenate([*columns, terms, observation], axis=1)
