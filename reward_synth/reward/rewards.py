"""Rewards as the trainer sees them: batched array functions with named terms and weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.errors import TaskError
from reward_synth.records import CLIP_SCORE, Rejection, TaskDescription, TracedReward
from reward_synth.reward.verify import BatchedReward, load
from reward_synth.state import State
from reward_synth.task.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Reward:
    """A reward ready to train on.

    Attributes:
      terms: names of the terms, T of them.
      weights: (W,) run-time inputs of the function.
      function: compiled; its weights can change without compiling again.
      looks: whether it may read how pictures of the states look, which costs drawing them.
      composition: how a transform composes it of its terms, in a sentence; "" as it was written.
    """

    terms: tuple[str, ...]
    weights: np.ndarray
    function: BatchedReward
    looks: bool = True
    composition: str = ""


def traced_reward(traced: TracedReward, task: Task) -> Reward | Rejection:
    """Load a generated reward from its array program, or say why it is none.

    No generated Python runs.
    """
    return described_reward(traced, task.description)


@lru_cache(maxsize=128)  # what is screened, compared and trained is compiled once
def described_reward(traced: TracedReward, description: TaskDescription) -> Reward | Rejection:
    """Load a generated reward for whatever has this description; see ``traced_reward``."""
    function = load(traced, description)
    if isinstance(function, Rejection):
        return function
    weights = np.array([value for _, value in traced.program.weights], np.float32)
    looks = CLIP_SCORE in traced.program.source
    return Reward(traced.terms, weights, jax.jit(function), looks)


def expert_reward(task: Task) -> Reward:
    """The task's published human-written reward.

    Raises:
      TaskError: the task has none.
    """
    expert = task.expert_reward
    if expert is None:
        raise TaskError(f"task {task.name} has no expert_reward to compare with.")
    return _from_step_function(task, expert)


def sparse_reward(task: Task) -> Reward:
    """One for every step that ends in success, else zero."""

    def reward(
        state: State, action: jax.Array, next_state: State
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        success = jnp.asarray(task.success(next_state), jnp.float32)
        return success, {"success": success}

    return _from_step_function(task, reward)


def looks_reward(task: Task) -> Reward:
    """Pay for nothing but what a picture looks like: VLM-RM of Rocamonde et al. (2023).

    Where no episode can end early, the score of the initial pose is taken off: that changes no
    policy's rank, and without it the differences drown in a level several times as large.

    Args:
      task: with ``clip_score`` among its fields.
    """
    (field,) = (field for field in task.description.fields if field.name == CLIP_SCORE)
    level = 0.0 if task.description.terminates else field.home[0]

    def reward(
        state: State, action: jax.Array, next_state: State
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        looks = getattr(next_state, CLIP_SCORE) - level
        return looks, {"looks": looks}

    return _from_step_function(task, reward, looks=True)


def _from_step_function(
    task: Task,
    step: Callable[[State, jax.Array, State], tuple[jax.Array, dict[str, jax.Array]]],
    *,
    looks: bool = False,
) -> Reward:
    def one(
        state: jax.Array, action: jax.Array, next_state: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        return step(task.view(state), action, task.view(next_state))

    size, actions = task.description.state_size, task.description.action_size
    shapes = [jax.ShapeDtypeStruct((n,), jnp.float32) for n in (size, actions, size)]
    terms = tuple(jax.eval_shape(one, *shapes)[1])

    def batched(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        reward, values = jax.vmap(one)(state, action, next_state)
        return reward, jnp.stack([values[name] for name in terms], axis=-1)

    return Reward(terms, np.zeros(0, np.float32), jax.jit(batched), looks)
