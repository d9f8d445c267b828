"""A task's functions over batches of flat state vectors, compiled once for each task."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.task.task import Task

Array = jax.Array | np.ndarray


def observation_size(task: Task) -> int:
    """Return O, how many numbers a policy sees."""
    state = jax.ShapeDtypeStruct((1, task.layout.size), jnp.float32)
    return jax.eval_shape(partial(observe, task), state).shape[1]


@partial(jax.jit, static_argnums=0)
def observe(task: Task, state: Array) -> jax.Array:
    """Return observations, (n, O), of states, (n, S)."""
    return jax.vmap(lambda vector: task.observe(task.view(vector)))(state)


@partial(jax.jit, static_argnums=0)
def terminated(task: Task, state: Array) -> jax.Array:
    """Return whether the task ends the episode, (n,) bool, in states, (n, S)."""
    return jax.vmap(lambda vector: jnp.asarray(task.terminated(task.view(vector)), bool))(state)


@partial(jax.jit, static_argnums=0)
def success(task: Task, state: Array) -> jax.Array:
    """Return whether the goal holds, (n,) 0 or 1, in states, (n, S)."""
    return jax.vmap(lambda vector: task.success(task.view(vector)))(state)


@partial(jax.jit, static_argnums=0)
def fitness(task: Task, state: Array, action: Array, next_state: Array) -> jax.Array:
    """Return each step's fitness, (n,), for states, (n, S), and actions, (n, A)."""
    return jax.vmap(lambda s, a, n: task.fitness(task.view(s), a, task.view(n)))(
        state, action, next_state
    )
