"""PPO on probe environments, each of which one mistake would make unlearnable.

The probes are Andy Jones's ("Debugging reinforcement learning systems"): each adds one
demand to the last, so the first that fails names the part that is broken.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reward_synth.train import networks
from reward_synth.train.config import PPOConfig
from reward_synth.train.normalize import RunningStatistics, discounted_sums
from reward_synth.train.policy import Policy
from reward_synth.train.ppo import (
    Batch,
    init_learner,
    learn_together,
    prepare,
    shuffle,
    shuffle_on_device,
    update,
)

CONFIG = PPOConfig(envs=16, horizon=16, epochs=4, minibatches=4, learning_rate=3e-3, discount=0.9)
ITERATIONS = 60


def train_on(probe, config=CONFIG, iterations=ITERATIONS):
    """Train on a probe: (rng, action) -> (observation, next_observation, reward, terminated)."""
    rng = np.random.default_rng(0)
    learner = init_learner(jax.random.key(0), config, 1, 1)
    for iteration in range(iterations):
        shape = config.horizon, config.envs
        batch = probe(rng, shape, learner)
        samples, learner = prepare(learner, batch, config)
        order = shuffle(0, iteration, config)
        learner, health = update(learner, samples, order, config, jnp.asarray(iterations))
        assert np.isfinite([float(x) for x in health]).all()
    return learner


def act(learner, observation, rng):
    normal = learner.observations.normalize(observation)
    mean = networks.action_mean(learner.network, normal)
    return mean + jnp.exp(learner.network.log_std) * rng.normal(size=mean.shape)


def batch(observation, reward, *, next_observation=None, terminated=True, action=None):
    shape = observation.shape[:2]
    return Batch(
        observation=jnp.asarray(observation),
        next_observation=jnp.asarray(observation if next_observation is None else next_observation),
        action=jnp.zeros((*shape, 1)) if action is None else jnp.asarray(action),
        reward=jnp.asarray(reward, jnp.float32),
        terminated=jnp.broadcast_to(jnp.asarray(terminated), shape),
        truncated=jnp.zeros(shape, bool),
    )


def value_at(learner, *observations):
    normal = learner.observations.normalize(jnp.asarray(observations, jnp.float32)[:, None])
    scale = jnp.sqrt(learner.returns.variance + 1e-8)
    return np.asarray(networks.value(learner.network, normal) * scale)


def test_values_depend_on_the_observation():
    def probe(rng, shape, learner):
        sign = rng.choice([-1.0, 1.0], size=(*shape, 1))
        return batch(sign, 2 * sign[..., 0])

    learner = train_on(probe)
    np.testing.assert_allclose(value_at(learner, -1, 1), [-2, 2], atol=0.2)


def test_values_are_discounted_through_an_episode():
    # state 0, then state 1 with reward 1, then the end: V(1) = 1, V(0) = 0.9
    def probe(rng, shape, learner):
        second = rng.random(shape) < 0.5
        observation = second[..., None].astype(np.float32)
        following = np.ones_like(observation)
        return batch(observation, second, next_observation=following, terminated=second)

    learner = train_on(probe)
    np.testing.assert_allclose(value_at(learner, 0, 1), [0.9, 1.0], atol=0.1)


def test_truncated_episodes_are_bootstrapped():
    # reward 1 for ever, cut off at random: V = 1 / (1 - 0.9) = 10
    def probe(rng, shape, learner):
        cut = rng.random(shape) < 0.3
        constant = rng.choice([-1.0, 1.0], size=(*shape, 1))
        made = batch(constant, np.ones(shape), terminated=False)
        return made._replace(truncated=jnp.asarray(cut))

    config = PPOConfig(
        envs=16, horizon=16, epochs=8, minibatches=4, learning_rate=1e-2, discount=0.9
    )
    learner = train_on(probe, config, 150)
    np.testing.assert_allclose(value_at(learner, -1, 1), [10, 10], rtol=0.15)


@pytest.mark.parametrize("target", [-0.5, 0.5])
def test_policy_finds_the_rewarded_action(target):
    def probe(rng, shape, learner):
        observation = rng.choice([-1.0, 1.0], size=(*shape, 1))
        action = act(learner, observation, rng)
        reward = -jnp.square(action[..., 0] - target * observation[..., 0])
        return batch(observation, reward, action=action)

    learner = train_on(probe)
    found = Policy.of(learner).act(jnp.asarray([[-1.0], [1.0]]))[:, 0]
    np.testing.assert_allclose(found, [-target, target], atol=0.15)


def test_running_statistics_equal_those_of_all_data_at_once():
    data = np.random.default_rng(0).normal(3.0, 2.0, size=(1000, 2)).astype(np.float32)
    statistics = RunningStatistics.start((2,))
    for part in np.array_split(data, [10, 300, 301]):
        statistics = statistics.update(jnp.asarray(part))
    np.testing.assert_allclose(statistics.mean, data.mean(0), rtol=1e-4)
    np.testing.assert_allclose(statistics.variance, data.var(0), rtol=1e-3)


def test_discounted_sums_by_hand():
    reward = jnp.asarray([[1.0], [2.0], [4.0]])
    done = jnp.asarray([[False], [True], [False]])
    sums, carry = discounted_sums(reward, done, 0.5, jnp.asarray([8.0]))
    np.testing.assert_allclose(sums[:, 0], [5.0, 4.5, 4.0])
    np.testing.assert_allclose(carry, [4.0])


def test_initialisation_is_orthogonal_with_the_stated_gains():
    network = networks.init_network(jax.random.key(1), 8, 3, (64, 64), -0.5)
    hidden = network.actor[1].weight
    np.testing.assert_allclose(hidden.T @ hidden, 2 * np.eye(64), atol=1e-4)
    output = network.actor[-1].weight
    np.testing.assert_allclose(output.T @ output, 1e-4 * np.eye(3), atol=1e-6)
    assert all(float(jnp.abs(layer.bias).max()) == 0 for layer in network.actor + network.critic)
    np.testing.assert_allclose(network.log_std, -0.5)


def test_every_epoch_sees_every_sample_once():
    order = shuffle(3, 5, CONFIG)
    assert order.shape == (CONFIG.epochs * CONFIG.minibatches, CONFIG.batch // CONFIG.minibatches)
    epochs = order.reshape(CONFIG.epochs, -1)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(CONFIG.batch))
    assert len({epoch.tobytes() for epoch in epochs}) == CONFIG.epochs
    np.testing.assert_array_equal(order, shuffle(3, 5, CONFIG))
    assert not np.array_equal(order, shuffle(3, 6, CONFIG))
    assert not np.array_equal(order, shuffle(4, 5, CONFIG))


@pytest.fixture(scope="module")
def prepared():
    """Three candidates with a batch each, as they stand before an update."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(3):
        learner = init_learner(jax.random.key(seed), CONFIG, 1, 1)
        observation = rng.normal(size=(CONFIG.horizon, CONFIG.envs, 1)).astype(np.float32)
        found.append(prepare(learner, batch(observation, observation[..., 0]), CONFIG))
    return found


def test_together_candidates_learn_what_they_learn_alone(prepared):
    keys = jax.random.split(jax.random.key(9), 3)
    together = learn_together(
        tuple(learner for _, learner in prepared),
        tuple(samples for samples, _ in prepared),
        keys,
        CONFIG,
        jnp.asarray(ITERATIONS),
    )
    for (samples, learner), key, found in zip(prepared, keys, together, strict=True):
        order = shuffle_on_device(key, CONFIG)
        alone = update(learner, samples, order, CONFIG, jnp.asarray(ITERATIONS))
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_the_device_shuffles_as_well():
    order = shuffle_on_device(jax.random.key(0), CONFIG)
    assert order.shape == shuffle(0, 0, CONFIG).shape
    epochs = np.asarray(order).reshape(CONFIG.epochs, -1)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(CONFIG.batch), (4, 1)))
    assert len({epoch.tobytes() for epoch in epochs}) == CONFIG.epochs


def test_an_update_leaves_the_types_of_a_learner(prepared):
    """Else all that takes learners would be compiled twice, physics included."""
    start = init_learner(jax.random.key(0), CONFIG, 1, 1)
    (after, _), *_ = learn_together(
        tuple(learner for _, learner in prepared),
        tuple(samples for samples, _ in prepared),
        jax.random.split(jax.random.key(9), 3),
        CONFIG,
        jnp.asarray(ITERATIONS),
    )
    for a, b in zip(jax.tree.leaves(start), jax.tree.leaves(after), strict=True):
        assert a.aval == b.aval
