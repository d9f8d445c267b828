"""Collecting experience with MJX: a whole rollout is one program on JAX's device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.sim.mjx import MjxPhysics, Simulations, compiled, mjx_physics, restore, save
from reward_synth.sim.mjx_support import Implementation
from reward_synth.sim.mjx_worlds import Perturbed
from reward_synth.sim.vector import how_ended
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train.collect import Experience, act, draw_noise, noise_keys, noisy, reset_keys
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy


class Environments(NamedTuple):
    """K * N environments between two steps."""

    simulations: Simulations
    steps: jax.Array  # (K * N,) int32, of the episodes so far
    ended: jax.Array  # (K * N,) bool, the next step begins with a new episode


class MjxCollector:
    """Steps all members' environments on JAX's device; implements ``Collector``.

    The program depends on the task, the numbers of members, environments and steps, and the
    shape of the networks. Rewards come later, so that a new one compiles nothing here.

    Args:
      task: the task.
      seeds: of the K members.
      config: its ``envs`` and ``horizon`` count.
      implementation: of MJX; None for the device's best.
    """

    def __init__(
        self,
        task: Task,
        seeds: Sequence[int],
        config: PPOConfig,
        implementation: Implementation | None = None,
    ) -> None:
        self._horizon = config.horizon
        self._noise_keys = noise_keys(seeds), noise_keys(seeds, "observations")
        keys = reset_keys(seeds, config.envs)
        self._physics = mjx_physics(task, len(keys), implementation, task.randomisation)
        self._environments = _start(self._physics, keys, self._physics.perturbed(keys))

    def collect(self, policies: Sequence[Policy], iteration: int) -> Experience:
        """Return ``horizon`` steps of each member; see ``Collector.collect``."""
        self._environments, experience = _rollout(
            self._physics,
            self._horizon,
            self._environments,
            tuple(policies),
            self._noise_keys,
            iteration,
        )
        return Experience(**experience)

    def retire(self, member: int) -> None:
        """Go on with it all the same: fewer simulations would be another program to compile."""

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return copies of all that changes; see ``Collector.checkpoint``."""
        environments = self._environments
        return {
            **save(environments.simulations),
            "steps": np.array(environments.steps),
            "ended": np.array(environments.ended),
        }

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from ``checkpoint``; see ``Collector.restore``."""
        self._environments = Environments(
            restore(self._physics, self._environments.simulations, saved),
            jnp.asarray(saved["steps"]),
            jnp.asarray(saved["ended"]),
        )


def _begin(physics: MjxPhysics, keys: jax.Array, perturbed: Perturbed | None) -> Environments:
    """Return environments of which each is to start its first episode; ``keys``: (K * N,)."""
    steps = jnp.zeros(physics.n, jnp.int32)
    return Environments(physics.start(keys, perturbed), steps, jnp.ones(physics.n, bool))


def _run(
    physics: MjxPhysics,
    horizon: int,
    environments: Environments,
    policies: tuple[Policy, ...],
    keys: tuple[jax.Array, jax.Array],
    iteration: jax.Array,
) -> tuple[Environments, dict[str, jax.Array]]:
    """Step K * N environments T times; return them and ``Experience``'s arrays, (K, T, N, ...)."""
    task, members = physics.task, len(policies)
    envs, actions = physics.n // members, task.model.nu
    noise = draw_noise(keys[0], iteration, (horizon, envs, actions)).swapaxes(0, 1)
    population = jax.tree.map(lambda *leaves: jnp.stack(leaves), *policies)
    draw = jax.vmap(partial(act, task))
    unit = None  # what a disturbance of one standard deviation is, (T, K, N, O)
    if noisy(task):
        shape = horizon, envs, batched.observation_size(task)
        spread = jnp.sqrt(population.observations.variance)
        unit = draw_noise(keys[1], iteration, shape).swapaxes(0, 1) * spread[:, None]

    def step(
        now: Environments, drawn: tuple[jax.Array, jax.Array | None]
    ) -> tuple[Environments, dict[str, jax.Array | None]]:
        noise, disturbance = drawn
        simulations = physics.reset(now.simulations, now.ended)
        state = simulations.state
        if disturbance is not None:
            assert simulations.perturbed is not None
            level = simulations.perturbed.worlds.noise
            disturbance = disturbance * level.reshape(members, envs, 1)
        action = draw(population, state.reshape(members, envs, -1), noise, disturbance)
        clipped = jnp.clip(action, -1.0, 1.0).reshape(physics.n, actions)
        simulations = physics.step(simulations, clipped)
        length = jnp.where(now.ended, 0, now.steps) + 1
        terminated, truncated = how_ended(
            task, batched.terminated(task, simulations.state), simulations.diverged, length
        )
        seen = {
            "state": state,
            "next_state": simulations.state,
            "action": action.reshape(physics.n, actions),
            "terminated": terminated,
            "truncated": truncated,
            "diverged": simulations.diverged,
            "length": length,
        }
        apart: dict[str, jax.Array | None] = {
            name: array.reshape(members, envs, *array.shape[1:]) for name, array in seen.items()
        }
        apart["disturbance"] = disturbance
        return Environments(simulations, length, terminated | truncated), apart

    environments, seen = jax.lax.scan(step, environments, (noise, unit))
    return environments, jax.tree.map(lambda array: array.swapaxes(0, 1), seen)


_start = compiled(_begin)
_rollout = compiled(_run, static=2, donate=2)
