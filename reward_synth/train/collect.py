"""Collecting experience: what every source of it promises, and the one that steps CPU threads.

Each member has random streams of its own, so that what it meets does not depend on its
neighbours, nor on which collector it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.looks.steps import Looks, Watched, WatchedBackend
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import VectorEnv
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train import networks
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy

Array = jax.Array | np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """T steps of K members' N environments; belongs to its collector, which may reuse it.

    Attributes:
      state: (K, T, N, S).
      next_state: (K, T, N, S) the true next states, also where an episode ended.
      action: (K, T, N, A) as the policy drew it, before clipping to [-1, 1].
      terminated: (K, T, N) bool, the task ended the episode.
      truncated: (K, T, N) bool, the time limit or divergence cut it short.
      diverged: (K, T, N) bool, a subset of ``truncated``.
      length: (K, T, N) int, steps of the episode so far, this one included.
      disturbance: (K, T, N, O) what was added to the observations that actions were drawn in;
        None if nothing was.
    """

    state: Array
    next_state: Array
    action: Array
    terminated: Array
    truncated: Array
    diverged: Array
    length: Array
    disturbance: Array | None = None


class Collector(Protocol):
    """Steps all members' environments with their policies, on one kind of device."""

    def collect(self, policies: Sequence[Policy], iteration: int) -> Experience:
        """Return ``horizon`` steps of each member; the same iteration draws the same noise."""
        ...

    def retire(self, member: int) -> None:
        """Spend no more on a member that was dropped; its experience means nothing from now on."""
        ...

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return what a collector of the same task and seeds needs to continue bit-identically."""
        ...

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from ``checkpoint``."""
        ...


def stream(seed: int, purpose: str) -> jax.Array:
    """Each purpose has a stream of its own, so that none depends on how often others draw."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))


def reset_keys(seeds: Sequence[int], envs: int) -> jax.Array:
    """Return the keys of all environments' initial states, (K * N,)."""
    return jnp.concatenate([jax.random.split(stream(seed, "resets"), envs) for seed in seeds])


def noise_keys(seeds: Sequence[int], purpose: str = "noise") -> jax.Array:
    """Return the keys of the policies' noise, or of their "observations", (K,)."""
    return jnp.stack([stream(seed, purpose) for seed in seeds])


@partial(jax.jit, static_argnums=2)
def draw_noise(keys: jax.Array, iteration: int | jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return an iteration's standard normal noise, (K, *shape)."""
    folded = jax.vmap(jax.random.fold_in, (0, None))(keys, iteration)
    return jax.vmap(lambda key: jax.random.normal(key, shape))(folded)


def noisy(task: Task) -> bool:
    """Whether policies are trained on observations with noise."""
    return task.randomisation is not None and task.randomisation.noise not in (None, (0.0, 0.0))


class CpuCollector:
    """Steps ``mujoco.Batch`` on native threads; implements ``Collector``.

    Args:
      task: the task.
      seeds: of the K members.
      config: its ``envs`` and ``horizon`` count.
      threads: physics threads; 0 for all cores.
      looks: who scores pictures, if anybody does.
      watched: of which members pictures are scored.
    """

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        config: PPOConfig,
        threads: int,
        looks: Looks | None = None,
        watched: Sequence[int] = (),
    ) -> None:
        self._task = task
        self._noise_keys = noise_keys(seeds)
        self._observation_keys = noise_keys(seeds, "observations")
        backend = CpuBackend if looks is None else WatchedBackend
        self._backend = backend(
            task,
            reset_keys(seeds, config.envs),
            threads=threads,
            randomisation=task.randomisation,
        )
        self._env = VectorEnv(task, self._backend)
        self._experience = _empty(task, len(seeds), config)
        self._looker = None
        if isinstance(self._backend, WatchedBackend) and looks is not None and watched:
            self._looker = _Looker(looks, self._backend, watched, self._experience)

    def collect(self, policies: Sequence[Policy], iteration: int) -> Experience:
        """Return ``horizon`` steps of each member; see ``Collector.collect``."""
        env, out = self._env, self._experience
        members, horizon, envs, actions = out.action.shape
        noise = np.asarray(draw_noise(self._noise_keys, iteration, (horizon, envs, actions)))
        unit = self._unit(policies, iteration) if noisy(self._task) else None
        disturbances = []
        for t in range(horizon):
            state = env.state.reshape(members, envs, -1)
            disturbance = None
            if unit is not None:
                disturbance = unit[:, t] * self._backend.noise.reshape(members, envs, 1)
                disturbances.append(disturbance)
            action = np.asarray(_act(self._task, tuple(policies), state, noise[:, t], disturbance))
            if self._looker is not None:
                self._looker.before(t)
            step = env.step(np.clip(action, -1.0, 1.0).reshape(members * envs, actions))
            if self._looker is not None:
                self._looker.after(t)
            out.state[:, t] = state
            out.action[:, t] = action
            for name in ("next_state", "terminated", "truncated", "diverged", "length"):
                values = getattr(step, name)
                getattr(out, name)[:, t] = values.reshape(members, envs, *values.shape[1:])
        if self._looker is not None:
            self._looker.score(out)
        return replace(out, disturbance=np.stack(disturbances, axis=1)) if disturbances else out

    def _unit(self, policies: Sequence[Policy], iteration: int) -> np.ndarray:
        """Return normal noise, (K, T, N, O), of the observations' standard deviation so far."""
        _, horizon, envs, _ = self._experience.action.shape
        shape = horizon, envs, batched.observation_size(self._task)
        noise = draw_noise(self._observation_keys, iteration, shape)
        spread = np.stack([np.sqrt(policy.observations.variance) for policy in policies])
        return np.asarray(noise) * spread[:, None, None]

    def retire(self, member: int) -> None:
        """Leave the member's simulations where they are; see ``Collector.retire``."""
        envs = self._experience.state.shape[2]
        self._backend.retire(np.arange(member * envs, (member + 1) * envs))
        if self._looker is not None:
            self._looker.watched.discard(member)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return copies of all that changes; see ``Collector.checkpoint``."""
        held = {} if self._looker is None else {"looks": self._looker.held.copy()}
        return {**self._env.checkpoint(), **held}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from ``checkpoint``; see ``Collector.restore``."""
        self._env.restore(saved)
        if self._looker is not None:
            self._looker.held[:] = saved["looks"]


class _Looker:
    """Keeps the postures of an iteration's steps, and scores them when all are done.

    Attributes:
      held: (K, N) the scores of the states that the members are in.
      watched: the members of which pictures are scored.
    """

    def __init__(
        self, looks: Looks, backend: WatchedBackend, watched: Sequence[int], shapes: Experience
    ) -> None:
        members, _, envs = shapes.length.shape
        self._looks = looks
        self._backend = backend
        postures = (*shapes.length.shape, backend.qpos.shape[1])
        self._before, self._after = (np.zeros(postures, np.float32) for _ in range(2))
        self.held = np.zeros((members, envs), np.float32)
        self.watched = set(watched)

    def before(self, t: int) -> None:
        """Keep the postures that step t starts from."""
        self._before[:, t] = self._backend.posture.reshape(self._before[:, t].shape)

    def after(self, t: int) -> None:
        """Keep the postures that step t led to."""
        self._after[:, t] = self._backend.stepped.reshape(self._after[:, t].shape)

    def score(self, out: Experience) -> None:
        """Fill in the last entry of all states, each member by itself: the bits are its own."""
        for k in sorted(self.watched):
            ended = np.asarray(out.terminated[k] | out.truncated[k])
            steps = Watched(self._before[k], self._after[k], np.asarray(out.length[k]), ended)
            scores = self._looks.of_steps(steps, self.held[k])
            for states, values in zip((out.state, out.next_state), scores, strict=True):
                np.asarray(states)[k, ..., -1] = values


def _empty(task: Task, members: int, config: PPOConfig) -> Experience:
    """Return buffers to write experience into."""
    shape = members, config.horizon, config.envs
    states, actions = task.description.state_size, task.description.action_size
    return Experience(
        state=np.zeros((*shape, states), np.float32),
        next_state=np.zeros((*shape, states), np.float32),
        action=np.zeros((*shape, actions), np.float32),
        terminated=np.zeros(shape, bool),
        truncated=np.zeros(shape, bool),
        diverged=np.zeros(shape, bool),
        length=np.zeros(shape, np.int64),
    )


@partial(jax.jit, static_argnums=0)
def _act(
    task: Task,
    policies: tuple[Policy, ...],
    state: jax.Array,
    noise: jax.Array,
    disturbance: jax.Array | None,
) -> jax.Array:
    """Sample actions, (K, N, A), in states, (K, N, S).

    Unrolled over members: small matrix products run faster one by one than
    batched, and each gives the bits that it gives alone.
    """
    disturbances = [None] * len(policies) if disturbance is None else disturbance
    return jnp.stack(
        [act(task, *each) for each in zip(policies, state, noise, disturbances, strict=True)]
    )


def act(
    task: Task,
    policy: Policy,
    state: jax.Array,
    noise: jax.Array,
    disturbance: jax.Array | None = None,
) -> jax.Array:
    """Sample one member's actions, (N, A), in states, (N, S), observed with a disturbance."""
    observed = batched.observe(task, state)
    if disturbance is not None:
        observed = observed + disturbance
    observation = policy.observations.normalize(observed)
    mean = networks.action_mean(policy.network, observation)
    return mean + jnp.exp(policy.network.log_std) * noise
