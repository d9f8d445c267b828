"""What the trainer demands of a traced reward before it computes with it.

The sandboxed child is not trusted: a program that took it over could answer with
any bytes. They are read by ``array_program.decode``, which knows nothing but
arithmetic on arrays of bounded size, and must have the one signature of a reward.
What this does not protect from: a fault in XLA's compiler, which sees the
arithmetic; and a program that is slow, within the limits on its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from reward_synth.records import Rejection, Stage, TaskDescription, TracedReward
from reward_synth.reward.array_program import ArrayProgramError, decode

BatchedReward = Callable[[Any, Any, Any, Any], tuple[jax.Array, jax.Array]]


def load(traced: TracedReward, description: TaskDescription) -> BatchedReward | Rejection:
    """Return the reward as a function of batched arrays, for ``jax.jit``, or why it is none.

    The function maps float32 arrays: (state (b, S), action (b, A), next_state
    (b, S), weights (W,)) -> (reward (b,), terms (b, T)).
    """
    states, actions = (description.state_size,), (description.action_size,)
    inputs = (states, actions, states, (len(traced.program.weights),))
    try:
        run = decode(traced.arrays, inputs, ((), (len(traced.terms),)))
    except ArrayProgramError as error:
        return Rejection(Stage.VERIFY, f"the traced program is not a pure reward: {error}.")

    def one(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        reward, terms = run(state, action, next_state, weights)
        return reward, terms

    batched = jax.vmap(one, in_axes=(0, 0, 0, None))
    # Some misfits, as of sort's dimension, show only when the program is lowered.
    shapes = [jax.ShapeDtypeStruct((2, *shape), jnp.float32) for shape in inputs[:3]]
    weights = jax.ShapeDtypeStruct(inputs[3], jnp.float32)
    try:
        jax.jit(batched).lower(*shapes, weights)
    except Exception as error:  # noqa: BLE001 (an untrusted program can fail in any way)
        return Rejection(
            Stage.VERIFY, f"the traced program cannot be compiled ({type(error).__name__})."
        )
    return batched
