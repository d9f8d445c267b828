"""A population of candidates that train together in one batch of simulations.

Each member has its own policy, statistics, optimiser and random streams; they
share only the physics threads, so that a member learns what it would alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.records import Rejection, Stage
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import VectorEnv
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train import networks
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy
from reward_synth.train.ppo import Batch, Health, Learner, init_learner, learn
from reward_synth.train.rewards import Reward

_LARGEST_REWARD = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One training in the population: a reward and a seed."""

    reward: Reward
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One member's iteration in numbers.

    Attributes:
      steps: environment steps so far.
      fitness: mean fitness of the episodes that ended in this iteration, NaN if none did.
      episode_return: their mean sum of rewards, NaN if none ended.
      length: their mean number of steps, NaN if none ended.
      episodes: how many ended.
      ends: how they ended: cause to count.
      terms: mean of each reward term over the iteration's steps.
      reward_std: standard deviation of the reward over the iteration's steps.
      kl, clipped, entropy, explained_variance, value_loss: see ``ppo.Health``.
    """

    steps: int
    fitness: float
    episode_return: float
    length: float
    episodes: int
    ends: dict[str, int]
    terms: dict[str, float]
    reward_std: float
    kl: float
    clipped: float
    entropy: float
    explained_variance: float
    value_loss: float


@dataclass(slots=True)
class _Running:
    """Sums over the episodes that are under way, (N,) each."""

    fitness: np.ndarray
    reward: np.ndarray


@dataclass(slots=True)
class _Rollout:
    """T steps of K members' N environments; buffers are reused."""

    state: np.ndarray  # (K, T, N, S)
    next_state: np.ndarray  # (K, T, N, S)
    action: np.ndarray  # (K, T, N, A) unclipped
    terminated: np.ndarray  # (K, T, N)
    truncated: np.ndarray  # (K, T, N)
    diverged: np.ndarray  # (K, T, N)
    length: np.ndarray  # (K, T, N)

    @classmethod
    def empty(cls, members: int, config: PPOConfig, task: Task) -> _Rollout:
        shape = members, config.horizon, config.envs
        states, actions = task.description.state_size, task.description.action_size
        return cls(
            state=np.zeros((*shape, states), np.float32),
            next_state=np.zeros((*shape, states), np.float32),
            action=np.zeros((*shape, actions), np.float32),
            terminated=np.zeros(shape, bool),
            truncated=np.zeros(shape, bool),
            diverged=np.zeros(shape, bool),
            length=np.zeros(shape, np.int64),
        )


@dataclass(slots=True)
class Population:
    """K members in training; ``iterate`` collects a batch for each and updates each once.

    Attributes:
      iteration: updates done.
      rejections: for each member, why it was dropped, or None while it is well.
      learners: for each member, what it has learned.
    """

    task: Task
    members: Sequence[Member]
    config: PPOConfig
    iterations: int
    threads: int = 0
    iteration: int = field(init=False, default=0)
    rejections: list[Rejection | None] = field(init=False)
    learners: list[Learner] = field(init=False)
    _env: VectorEnv = field(init=False)
    _rollout: _Rollout = field(init=False)
    _running: list[_Running] = field(init=False)

    def __post_init__(self) -> None:
        task, config = self.task, self.config
        observation_size = jax.eval_shape(
            lambda v: task.observe(task.view(v)),
            jax.ShapeDtypeStruct((task.layout.size,), jnp.float32),
        ).shape[0]
        self.rejections = [None] * len(self.members)
        self.learners = [
            init_learner(
                _stream(member, "learner"),
                config,
                self.iterations,
                observation_size,
                task.description.action_size,
            )
            for member in self.members
        ]
        keys = [jax.random.split(_stream(m, "resets"), config.envs) for m in self.members]
        backend = CpuBackend(task, jnp.concatenate(keys), threads=self.threads)
        self._env = VectorEnv(task, backend)
        self._rollout = _Rollout.empty(len(self.members), config, task)
        self._running = [
            _Running(np.zeros(config.envs), np.zeros(config.envs)) for _ in self.members
        ]

    def iterate(self) -> list[Progress | None]:
        """Collect one batch for each member and update each; None for the dropped."""
        self._collect()
        updates = [
            None if rejection else self._dispatch(k) for k, rejection in enumerate(self.rejections)
        ]
        self.iteration += 1
        return [update and self._finish(k, *update) for k, update in enumerate(updates)]

    def _collect(self) -> None:
        members, horizon, envs = len(self.members), self.config.horizon, self.config.envs
        noise = _noise(
            jnp.stack([_stream(member, "noise") for member in self.members]),
            self.iteration,
            (horizon, envs, self.task.description.action_size),
        )
        noise = np.asarray(noise)
        policies = tuple(Policy.of(learner) for learner in self.learners)
        rollout, env = self._rollout, self._env
        for t in range(horizon):
            state = env.state.reshape(members, envs, -1)
            action = np.asarray(_act(self.task, policies, state, noise[:, t]))
            step = env.step(np.clip(action, -1.0, 1.0).reshape(members * envs, -1))
            rollout.state[:, t] = state
            rollout.action[:, t] = action
            for name in ("next_state", "terminated", "truncated", "diverged", "length"):
                values = getattr(step, name)
                getattr(rollout, name)[:, t] = values.reshape(members, envs, *values.shape[1:])

    def _dispatch(self, k: int) -> tuple[jax.Array, jax.Array, jax.Array, Health]:
        """Start member k's update; JAX runs those of several members side by side."""
        rollout, reward = self._rollout, self.members[k].reward
        steps = self.config.horizon * self.config.envs
        state, action, next_state = (
            x.reshape(steps, -1)
            for x in (rollout.state[k], np.clip(rollout.action[k], -1, 1), rollout.next_state[k])
        )
        values, terms = reward.function(state, action, next_state, reward.weights)
        observation, next_observation = (
            batched.observe(self.task, states) for states in (state, next_state)
        )
        fitness = batched.fitness(self.task, state, action, next_state)
        shape = self.config.horizon, self.config.envs
        batch = Batch(
            observation=observation.reshape(*shape, -1),
            next_observation=next_observation.reshape(*shape, -1),
            action=jnp.asarray(rollout.action[k]),
            reward=values.reshape(shape),
            terminated=jnp.asarray(rollout.terminated[k]),
            truncated=jnp.asarray(rollout.truncated[k]),
        )
        self.learners[k], health = learn(self.learners[k], batch, self.config, self.iterations)
        return values, terms, fitness, health

    def _finish(
        self, k: int, values: jax.Array, terms: jax.Array, fitness: jax.Array, health: Health
    ) -> Progress | None:
        names = self.members[k].reward.terms
        shape = self.config.horizon, self.config.envs
        reward = np.asarray(values).reshape(shape)
        self.rejections[k] = _problem(reward, np.asarray(terms), names, health)
        if self.rejections[k]:
            return None
        rollout, running = self._rollout, self._running[k]
        done = rollout.terminated[k] | rollout.truncated[k]
        fitness_sums = _episode_sums(np.asarray(fitness).reshape(shape), done, running.fitness)
        return_sums = _episode_sums(reward, done, running.reward)
        return Progress(
            steps=self.iteration * self.config.batch,
            fitness=_mean(fitness_sums),
            episode_return=_mean(return_sums),
            length=_mean(rollout.length[k][done]),
            episodes=int(done.sum()),
            ends={
                "terminated": int(rollout.terminated[k].sum()),
                "time limit": int((rollout.truncated[k] & ~rollout.diverged[k]).sum()),
                "diverged": int(rollout.diverged[k].sum()),
            },
            terms=dict(zip(names, np.asarray(terms).mean(0).tolist(), strict=True)),
            reward_std=float(reward.std()),
            kl=float(health.kl),
            clipped=float(health.clipped),
            entropy=float(health.entropy),
            explained_variance=float(health.explained_variance),
            value_loss=float(health.value_loss),
        )

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return everything needed to continue bit-identically with ``restore``."""
        leaves = jax.tree.leaves(jax.tree.map(_plain, self.learners, is_leaf=_is_key))
        arrays = {f"learner_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        arrays |= {f"env_{name}": value for name, value in self._env.checkpoint().items()}
        arrays["running"] = np.array([(r.fitness, r.reward) for r in self._running])
        arrays["iteration"] = np.array(self.iteration)
        arrays["rejections"] = np.array([r.reason if r else "" for r in self.rejections])
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Continue from ``checkpoint``'s arrays, made with the same task, members and config."""
        leaves, tree = jax.tree.flatten(self.learners, is_leaf=_is_key)
        restored = [arrays[f"learner_{i}"] for i in range(len(leaves))]
        self.learners = jax.tree.unflatten(
            tree,
            [
                jax.random.wrap_key_data(jnp.asarray(saved))
                if _is_key(leaf)
                else jnp.asarray(saved)
                for leaf, saved in zip(leaves, restored, strict=True)
            ],
        )
        self._env.restore(
            {name.removeprefix("env_"): v for name, v in arrays.items() if name.startswith("env_")}
        )
        for running, (fitness, reward) in zip(self._running, arrays["running"], strict=True):
            running.fitness[:], running.reward[:] = fitness, reward
        self.iteration = int(arrays["iteration"])
        self.rejections = [
            Rejection(Stage.TRAIN, str(reason)) if reason else None
            for reason in arrays["rejections"]
        ]


def _stream(member: Member, purpose: str) -> jax.Array:
    """Each purpose has a stream of its own, so that none depends on how often others draw."""
    return jax.random.fold_in(jax.random.key(member.seed), zlib.crc32(purpose.encode()))


@partial(jax.jit, static_argnums=2)
def _noise(keys: jax.Array, iteration: int, shape: tuple[int, ...]) -> jax.Array:
    """Standard normal noise for a whole iteration, (K, *shape)."""
    folded = jax.vmap(jax.random.fold_in, (0, None))(keys, iteration)
    return jax.vmap(lambda key: jax.random.normal(key, shape))(folded)


@partial(jax.jit, static_argnums=0)
def _act(
    task: Task,
    policies: tuple[Policy, ...],
    state: jax.Array,
    noise: jax.Array,
) -> jax.Array:
    """Sample actions, (K, N, A), in states, (K, N, S).

    Unrolled over members: small matrix products run faster one by one than
    batched, and each gives the bits that it gives alone.
    """
    actions = []
    for k, (network, statistics) in enumerate(policies):
        observation = statistics.normalize(batched.observe(task, state[k]))
        mean = networks.action_mean(network, observation)
        actions.append(mean + jnp.exp(network.log_std) * noise[k])
    return jnp.stack(actions)


def _problem(
    reward: np.ndarray, terms: np.ndarray, names: Sequence[str], health: Health
) -> Rejection | None:
    """Say why a member cannot go on, or None if it can."""
    bad_terms = [name for i, name in enumerate(names) if not np.isfinite(terms[:, i]).all()]
    if bad_terms:
        return Rejection(
            Stage.TRAIN,
            f"term {bad_terms[0]!r} became infinite or NaN in states that training reached: guard "
            "divisions, square roots, logarithms and powers, and bound exponentials.",
        )
    if not np.isfinite(reward).all():
        return Rejection(
            Stage.TRAIN, "the reward became infinite or NaN although each of its terms was finite."
        )
    if np.abs(reward).max() > _LARGEST_REWARD:
        largest = names[int(np.abs(terms).max(0).argmax())]
        return Rejection(
            Stage.TRAIN,
            f"the reward reached {np.abs(reward).max():.1e}, mostly from term {largest!r}: keep it "
            f"below {_LARGEST_REWARD:.0e}, for example by bounding that term.",
        )
    if not all(np.isfinite(float(number)) for number in health):
        return Rejection(Stage.TRAIN, "the policy's update became infinite or NaN.")
    return None


def _episode_sums(values: np.ndarray, done: np.ndarray, running: np.ndarray) -> np.ndarray:
    """Sum values over episodes.

    Args:
      values: (T, N).
      done: (T, N) bool, the episode ended with this step.
      running: (N,) sums of the episodes under way, updated in place.

    Returns:
      The sums of the episodes that ended, (episodes,).
    """
    ended = []
    for now, over in zip(values, done, strict=True):
        running += now
        ended.append(running[over].copy())
        running[over] = 0.0
    return np.concatenate(ended)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _is_key(leaf: object) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf
