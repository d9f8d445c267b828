"""Proximal policy optimisation for one candidate: collect elsewhere, learn here.

Schulman et al. (2017), "Proximal Policy Optimization Algorithms"; details after
Huang et al. (2022), "The 37 Implementation Details of Proximal Policy
Optimization", cited below as [37, number].
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from reward_synth.train import networks
from reward_synth.train.config import PPOConfig
from reward_synth.train.gae import gae
from reward_synth.train.networks import Network
from reward_synth.train.normalize import RunningStatistics, discounted_sums


class Learner(NamedTuple):
    """Everything that training changes, for one candidate."""

    network: Network
    optimizer: optax.OptState
    observations: RunningStatistics
    returns: RunningStatistics
    discounted: jax.Array  # (N,) running discounted sums of reward
    key: jax.Array


class Batch(NamedTuple):
    """What N environments did in T steps."""

    observation: jax.Array  # (T, N, O) unnormalised
    next_observation: jax.Array  # (T, N, O) of the true next states
    action: jax.Array  # (T, N, A) before clipping
    reward: jax.Array  # (T, N)
    terminated: jax.Array  # (T, N) bool
    truncated: jax.Array  # (T, N) bool


class Health(NamedTuple):
    """How an update went; means over its gradient steps."""

    policy_loss: jax.Array
    value_loss: jax.Array
    kl: jax.Array  # of the old from the new policy, Schulman's k3 estimate
    clipped: jax.Array  # share of samples whose ratio was clipped
    entropy: jax.Array
    explained_variance: jax.Array


def make_optimizer(config: PPOConfig, iterations: int) -> optax.GradientTransformation:
    """Adam with epsilon 1e-5 [37, 3], linear annealing [37, 4] and gradient clipping [37, 11]."""
    updates = iterations * config.epochs * config.minibatches
    schedule = optax.linear_schedule(config.learning_rate, 0.0, updates)
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(schedule, eps=1e-5)
    )


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def init_learner(
    key: jax.Array, config: PPOConfig, iterations: int, observation_size: int, action_size: int
) -> Learner:
    """Start a training from scratch."""
    network_key, key = jax.random.split(key)
    network = networks.init_network(
        network_key, observation_size, action_size, config.hidden, config.log_std
    )
    return Learner(
        network=network,
        optimizer=make_optimizer(config, iterations).init(network),
        observations=RunningStatistics.start((observation_size,)),
        returns=RunningStatistics.start(()),
        discounted=jnp.zeros(config.envs),
        key=key,
    )


@partial(jax.jit, static_argnums=(2, 3), donate_argnums=0)
def learn(
    learner: Learner, batch: Batch, config: PPOConfig, iterations: int
) -> tuple[Learner, Health]:
    """Update one candidate from one batch.

    The batch was collected with the learner's present statistics; they take in the
    batch only after the update, so that old and new probabilities are of the same
    observations.
    """
    network = learner.network
    observation = learner.observations.normalize(batch.observation)
    next_observation = learner.observations.normalize(batch.next_observation)
    done = batch.terminated | batch.truncated

    sums, discounted = discounted_sums(batch.reward, done, config.discount, learner.discounted)
    returns = learner.returns.update(sums)
    reward = returns.scale(batch.reward)

    value = networks.value(network, observation)
    next_value = networks.value(network, next_observation)
    advantage = gae(
        reward,
        value,
        next_value,
        batch.terminated,
        batch.truncated,
        config.discount,
        config.smoothing,
    )
    target = advantage + value
    samples = (
        observation,
        batch.action,
        networks.log_probability(network, observation, batch.action),
        advantage,
        target,
    )
    samples = jax.tree.map(lambda x: x.reshape(config.batch, *x.shape[2:]), samples)
    optimizer = make_optimizer(config, iterations)

    def minibatch_step(
        carry: tuple[Network, optax.OptState], indices: jax.Array
    ) -> tuple[tuple[Network, optax.OptState], tuple[jax.Array, ...]]:
        network, state = carry
        minibatch = jax.tree.map(lambda x: x[indices], samples)
        gradient, info = jax.grad(_loss, has_aux=True)(network, minibatch, config)
        updates, state = optimizer.update(gradient, state, network)
        updated = cast("Network", optax.apply_updates(network, updates))
        return (updated, state), info

    key, shuffle_key = jax.random.split(learner.key)
    orders = jax.vmap(lambda k: jax.random.permutation(k, config.batch))(
        jax.random.split(shuffle_key, config.epochs)
    )
    orders = orders.reshape(config.epochs * config.minibatches, -1)
    (network, state), info = jax.lax.scan(minibatch_step, (network, learner.optimizer), orders)
    policy_loss, value_loss, kl, clipped = jax.tree.map(jnp.mean, info)
    health = Health(
        policy_loss=policy_loss,
        value_loss=value_loss,
        kl=kl,
        clipped=clipped,
        entropy=networks.entropy(network),
        explained_variance=1 - jnp.var(advantage) / (jnp.var(target) + 1e-8),
    )
    learner = Learner(
        network,
        state,
        learner.observations.update(batch.observation),
        returns,
        discounted,
        key,
    )
    return learner, health


def _loss(
    network: Network, minibatch: tuple[jax.Array, ...], config: PPOConfig
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """The clipped objective, eq. 7 of Schulman et al. (2017), and the value loss, eq. 9."""
    observation, action, old_log_probability, advantage, target = minibatch
    # normalised within each minibatch [37, 7]
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    log_ratio = networks.log_probability(network, observation, action) - old_log_probability
    ratio = jnp.exp(log_ratio)
    clipped_ratio = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
    policy_loss = -jnp.minimum(ratio * advantage, clipped_ratio * advantage).mean()
    # not clipped: clipping it does not help, Andrychowicz et al. (2021), section 3.1
    value_loss = 0.5 * jnp.square(networks.value(network, observation) - target).mean()
    loss = (
        policy_loss
        + config.value_coefficient * value_loss
        - config.entropy_coefficient * networks.entropy(network)
    )
    kl = (ratio - 1 - log_ratio).mean()
    clipped = (jnp.abs(ratio - 1) > config.clip).mean()
    return loss, (policy_loss, value_loss, kl, clipped)
