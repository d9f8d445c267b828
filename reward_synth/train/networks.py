"""Policy and value networks: two tanh MLPs and a state-independent log standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Layer(NamedTuple):
    """An affine map: ``x @ weight + bias``."""

    weight: jax.Array  # (inputs, outputs)
    bias: jax.Array  # (outputs,)


class Network(NamedTuple):
    """Parameters of a Gaussian policy and a value function.

    Separate networks, tanh activations and a log standard deviation that does
    not depend on the state: Andrychowicz et al. (2021), "What Matters for
    On-Policy Deep Actor-Critic Methods?", section 3.2.
    """

    actor: tuple[Layer, ...]
    critic: tuple[Layer, ...]
    log_std: jax.Array  # (A,)


def init_network(
    key: jax.Array,
    observation_size: int,
    action_size: int,
    hidden: Sequence[int],
    log_std: float,
) -> Network:
    """Draw initial parameters.

    Orthogonal weights with gain sqrt(2) in hidden layers, 0.01 at the policy's
    output and 1 at the value's, zero biases: Huang et al. (2022), "The 37
    Implementation Details of Proximal Policy Optimization", detail 2.
    """
    actor_key, critic_key = jax.random.split(key)
    return Network(
        actor=_init_mlp(actor_key, (observation_size, *hidden, action_size), 0.01),
        critic=_init_mlp(critic_key, (observation_size, *hidden, 1), 1.0),
        log_std=jnp.full(action_size, log_std, jnp.float32),  # of no weak type, as after updates
    )


def _init_mlp(key: jax.Array, sizes: Sequence[int], output_gain: float) -> tuple[Layer, ...]:
    gains = [2**0.5] * (len(sizes) - 2) + [output_gain]
    keys = jax.random.split(key, len(gains))
    return tuple(
        Layer(jax.nn.initializers.orthogonal(gain)(k, (n_in, n_out)), jnp.zeros(n_out))
        for k, gain, n_in, n_out in zip(keys, gains, sizes[:-1], sizes[1:], strict=True)
    )


def _mlp(layers: tuple[Layer, ...], x: jax.Array) -> jax.Array:
    for layer in layers[:-1]:
        x = jnp.tanh(x @ layer.weight + layer.bias)
    return x @ layers[-1].weight + layers[-1].bias


def action_mean(network: Network, observation: jax.Array) -> jax.Array:
    """Return the mean action, (..., A), for normalised observations, (..., O)."""
    return _mlp(network.actor, observation)


def value(network: Network, observation: jax.Array) -> jax.Array:
    """Return the value, (...,), of normalised observations, (..., O), in normalised reward."""
    return _mlp(network.critic, observation)[..., 0]


def log_probability(network: Network, observation: jax.Array, action: jax.Array) -> jax.Array:
    """Return the log density, (...,), of unclipped actions, (..., A)."""
    z = (action - action_mean(network, observation)) * jnp.exp(-network.log_std)
    return -0.5 * jnp.sum(z**2 + jnp.log(2 * jnp.pi), axis=-1) - jnp.sum(network.log_std)


def entropy(network: Network) -> jax.Array:
    """Return the entropy of the action distribution in nats, ()."""
    return jnp.sum(network.log_std + 0.5 * jnp.log(2 * jnp.pi * jnp.e))
