"""Proximal policy optimisation for one candidate: collect elsewhere, learn here.

Schulman et al. (2017), "Proximal Policy Optimization Algorithms"; details after
Huang et al. (2022), "The 37 Implementation Details of Proximal Policy
Optimization", cited below as [37, number].

Policy and value function share nothing, so each has an optimiser of its own and they
can be improved side by side: ``prepare``, then ``improve_actor`` and ``improve_critic``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reward_synth.train import networks
from reward_synth.train.config import PPOConfig
from reward_synth.train.gae import gae
from reward_synth.train.networks import Layer, Network
from reward_synth.train.normalize import RunningStatistics, discounted_sums

Info = tuple[jax.Array, ...]


class Learner(NamedTuple):
    """Everything that training changes, for one candidate."""

    network: Network
    actor_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    observations: RunningStatistics
    returns: RunningStatistics
    discounted: jax.Array  # (N,) running discounted sums of reward


class Batch(NamedTuple):
    """What N environments did in T steps."""

    observation: jax.Array  # (T, N, O) unnormalised
    next_observation: jax.Array  # (T, N, O) of the true next states
    action: jax.Array  # (T, N, A) before clipping
    reward: jax.Array  # (T, N)
    terminated: jax.Array  # (T, N) bool
    truncated: jax.Array  # (T, N) bool


class Samples(NamedTuple):
    """A batch made ready to learn from; B = T * N."""

    observation: jax.Array  # (B, O) normalised
    action: jax.Array  # (B, A) before clipping
    log_probability: jax.Array  # (B,) of the actions, under the policy that took them
    advantage: jax.Array  # (B,)
    target: jax.Array  # (B,) for the value function


class Health(NamedTuple):
    """How an update went; means over its gradient steps."""

    policy_loss: jax.Array
    value_loss: jax.Array
    kl: jax.Array  # of the old from the new policy, Schulman's k3 estimate
    clipped: jax.Array  # share of samples whose ratio was clipped
    entropy: jax.Array
    explained_variance: jax.Array


def make_optimizer(config: PPOConfig, iterations: int | jax.Array) -> optax.GradientTransformation:
    """Adam with epsilon 1e-5 [37, 3], linear annealing [37, 4] and gradient clipping [37, 11].

    On one flat vector: a step over a dozen small arrays costs a CPU more than the arithmetic.
    ``iterations`` may be traced, so that trainings of any length share what is compiled.
    """
    updates = iterations * config.epochs * config.minibatches

    def schedule(count: Any) -> Any:  # noqa: ANN401 (optax's number)
        return config.learning_rate * (1.0 - count / updates)

    clip = optax.clip_by_global_norm(config.max_gradient_norm)
    return optax.flatten(optax.chain(clip, optax.adam(schedule, eps=1e-5)))


@partial(jax.jit, static_argnums=(1, 2, 3))
def init_learner(
    key: jax.Array, config: PPOConfig, observation_size: int, action_size: int
) -> Learner:
    """Start a training from scratch."""
    network = networks.init_network(
        key, observation_size, action_size, config.hidden, config.log_std
    )
    optimizer = make_optimizer(config, iterations=1)  # its state does not depend on them
    return Learner(
        network=network,
        actor_optimizer=optimizer.init((network.actor, network.log_std)),
        critic_optimizer=optimizer.init(network.critic),
        observations=RunningStatistics.start((observation_size,)),
        returns=RunningStatistics.start(()),
        discounted=jnp.zeros(config.envs),
    )


def shuffle(seed: int, iteration: int, config: PPOConfig) -> np.ndarray:
    """Draw the minibatches of an update: indices into the batch, (epochs * minibatches, b).

    Every epoch sees every sample once. NumPy shuffles twenty times faster than XLA does on a CPU,
    where drawing the indices would take a quarter of an update.
    """
    random = np.random.default_rng((seed, iteration))
    indices = np.tile(np.arange(config.batch, dtype=np.int32), (config.epochs, 1))
    return random.permuted(indices, axis=1).reshape(config.epochs * config.minibatches, -1)


def shuffle_on_device(key: jax.Array, config: PPOConfig) -> jax.Array:
    """Draw what ``shuffle`` draws, where the samples are: on an accelerator, sending is slower."""
    indices = jnp.tile(jnp.arange(config.batch, dtype=jnp.int32), (config.epochs, 1))
    shuffled = jax.random.permutation(key, indices, axis=1, independent=True)
    return shuffled.reshape(config.epochs * config.minibatches, -1)


@partial(jax.jit, static_argnums=2)
def prepare(learner: Learner, batch: Batch, config: PPOConfig) -> tuple[Samples, Learner]:
    """Estimate advantages, and take the batch into the running statistics.

    The batch was collected with the learner's present statistics of observations, and its
    samples are normalised with them, so that old and new probabilities are of the same inputs.
    """
    network = learner.network
    observation = learner.observations.normalize(batch.observation)
    next_observation = learner.observations.normalize(batch.next_observation)
    done = batch.terminated | batch.truncated
    sums, discounted = discounted_sums(batch.reward, done, config.discount, learner.discounted)
    returns = learner.returns.update(sums)
    value = networks.value(network, observation)
    advantage = gae(
        returns.scale(batch.reward),
        value,
        networks.value(network, next_observation),
        batch.terminated,
        batch.truncated,
        config.discount,
        config.smoothing,
    )
    samples = Samples(
        observation=observation,
        action=batch.action,
        log_probability=networks.log_probability(network, observation, batch.action),
        advantage=advantage,
        target=advantage + value,
    )
    flat = Samples(*(x.reshape(config.batch, *x.shape[2:]) for x in samples))
    observations = learner.observations.update(batch.observation)
    return flat, learner._replace(observations=observations, returns=returns, discounted=discounted)


Actor = tuple[tuple[Layer, ...], jax.Array]
Critic = tuple[Layer, ...]


@partial(jax.jit, static_argnums=3)
def improve_actor(
    learner: Learner, samples: Samples, order: jax.Array, config: PPOConfig, iterations: jax.Array
) -> tuple[Actor, optax.OptState, Info]:
    """Return the policy after all epochs, its optimiser's state, and loss, kl and clipped share.

    The objective is eq. 7 of Schulman et al. (2017).
    """

    def loss(actor: Actor, minibatch: Samples) -> tuple[jax.Array, Info]:
        network = Network(actor[0], (), actor[1])
        observation, action, old, advantage, _ = minibatch
        # normalised within each minibatch [37, 7]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        log_ratio = networks.log_probability(network, observation, action) - old
        ratio = jnp.exp(log_ratio)
        clipped_ratio = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
        objective = jnp.minimum(ratio * advantage, clipped_ratio * advantage).mean()
        kl = (ratio - 1 - log_ratio).mean()
        clipped = (jnp.abs(ratio - 1) > config.clip).mean()
        bonus = config.entropy_coefficient * networks.entropy(network)
        return -objective - bonus, (-objective, kl, clipped)

    actor = (learner.network.actor, learner.network.log_std)
    return _descend(
        loss, actor, learner.actor_optimizer, samples, order, make_optimizer(config, iterations)
    )


@partial(jax.jit, static_argnums=3)
def improve_critic(
    learner: Learner, samples: Samples, order: jax.Array, config: PPOConfig, iterations: jax.Array
) -> tuple[Critic, optax.OptState, Info]:
    """Return the value function after all epochs, its optimiser's state, and its loss.

    The loss is eq. 9 of Schulman et al. (2017), not clipped: clipping it does not help,
    Andrychowicz et al. (2021), section 3.1.
    """

    def loss(critic: Critic, minibatch: Samples) -> tuple[jax.Array, Info]:
        value = networks.value(learner.network._replace(critic=critic), minibatch.observation)
        error = 0.5 * jnp.square(value - minibatch.target).mean()
        return config.value_coefficient * error, (error,)

    return _descend(
        loss,
        learner.network.critic,
        learner.critic_optimizer,
        samples,
        order,
        make_optimizer(config, iterations),
    )


def _descend(
    loss: Callable[[Any, Samples], tuple[jax.Array, Info]],
    parameters: Any,  # noqa: ANN401 (any tree of arrays; it comes back as it is)
    state: optax.OptState,
    samples: Samples,
    order: jax.Array,
    optimizer: optax.GradientTransformation,
) -> tuple[Any, optax.OptState, Info]:
    """Take one gradient step for each row of ``order``, (steps, b)."""

    def step(
        carry: tuple[Any, optax.OptState], indices: jax.Array
    ) -> tuple[tuple[Any, optax.OptState], Info]:
        parameters, state = carry
        minibatch = Samples(*(x[indices] for x in samples))
        gradient, info = jax.grad(loss, has_aux=True)(parameters, minibatch)
        updates, state = optimizer.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), info

    (parameters, state), info = jax.lax.scan(step, (parameters, state), order)
    return parameters, state, jax.tree.map(jnp.mean, info)


@jax.jit
def conclude(
    learner: Learner,
    samples: Samples,
    actor: tuple[Actor, optax.OptState, Info],
    critic: tuple[Critic, optax.OptState, Info],
) -> tuple[Learner, Health]:
    """Put the improved halves into the learner, and say how the update went."""
    (layers, log_std), actor_optimizer, (policy_loss, kl, clipped) = actor
    critic_layers, critic_optimizer, (value_loss,) = critic
    network = Network(layers, critic_layers, log_std)
    health = Health(
        policy_loss=policy_loss,
        value_loss=value_loss,
        kl=kl,
        clipped=clipped,
        entropy=networks.entropy(network),
        explained_variance=1 - jnp.var(samples.advantage) / (jnp.var(samples.target) + 1e-8),
    )
    learner = learner._replace(
        network=network, actor_optimizer=actor_optimizer, critic_optimizer=critic_optimizer
    )
    return learner, health


@partial(jax.jit, static_argnums=3)
def update(
    learner: Learner, samples: Samples, order: jax.Array, config: PPOConfig, iterations: jax.Array
) -> tuple[Learner, Health]:
    """Update one prepared candidate: all of the above, as one computation."""
    actor = improve_actor(learner, samples, order, config, iterations)
    critic = improve_critic(learner, samples, order, config, iterations)
    return conclude(learner, samples, actor, critic)


@partial(jax.jit, static_argnums=3)
def learn_together(
    learners: tuple[Learner, ...],
    samples: tuple[Samples, ...],
    keys: jax.Array,
    config: PPOConfig,
    iterations: jax.Array,
) -> tuple[tuple[Learner, Health], ...]:
    """Update K prepared candidates as one computation, which keeps an accelerator busy.

    Args:
      learners: K, as ``prepare`` returns them.
      samples: K, as ``prepare`` returns them.
      keys: (K,) to shuffle with.
      config: hyperparameters.
      iterations: updates of the whole training.
    """

    def one(learner: Learner, samples: Samples, key: jax.Array) -> tuple[Learner, Health]:
        return update(learner, samples, shuffle_on_device(key, config), config, iterations)

    def stack(*leaves: jax.Array) -> jax.Array:
        return jnp.stack(leaves)

    stacked = jax.tree.map(stack, *learners), jax.tree.map(stack, *samples)
    leaves, tree = jax.tree.flatten(jax.vmap(one)(*stacked, keys))
    return tuple(tree.unflatten([leaf[k] for leaf in leaves]) for k in range(len(learners)))
