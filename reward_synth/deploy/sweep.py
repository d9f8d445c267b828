"""Sweeps: how a policy does as the world departs from the model, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from reward_synth.deploy.stress import Curve, Level, Stress
from reward_synth.feedback.scores import interval, share_interval
from reward_synth.randomisation import NOMINAL, Randomisation, fixed
from reward_synth.reward.transitions import Transitions
from reward_synth.rollout.episodes import first_episodes
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.worlds import pushed
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train.policy import Policy

# From observations, (n, O) float32, to actions, (n, A) in [-1, 1].
Act = Callable[[np.ndarray], np.ndarray]

# What is tested besides the nominal world: as far as a robot and its model may well differ.
LEVELS: Mapping[str, tuple[float, ...]] = {
    "mass": (0.5, 0.65, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0),
    "friction": (0.25, 0.5, 0.75, 1.25, 1.5, 2.0),
    "gain": (0.5, 0.65, 0.8, 0.9, 1.1, 1.25, 1.5),
    "delay": (1.0, 2.0, 3.0, 4.0),
    "noise": (0.05, 0.1, 0.2, 0.3),
    "push": (0.25, 0.5, 1.0, 1.5),
}


def act_of(policy: Policy) -> Act:
    """Return what a policy does without noise."""
    act = jax.jit(policy.act)
    return lambda observation: np.asarray(act(observation))


def spread_of(policy: Policy) -> np.ndarray:
    """Return the standard deviation of each entry of the observation in training, (O,)."""
    return np.sqrt(np.asarray(policy.observations.variance))


def nominal_steps(task: Task, act: Act, seed: int, episodes: int) -> Transitions:
    """Return the steps of a policy's episodes in the nominal world."""
    backend = CpuBackend(task, jax.random.split(jax.random.key(seed), episodes))
    found = []
    for moment in first_episodes(
        task, backend, backend.reset().copy(), lambda state: _acted(task, act, state)
    ):
        steps = moment.state, moment.action, moment.next_state
        found.append(Transitions(*(x[moment.running] for x in steps)))
    return Transitions.join(found)


def measured_spread(task: Task, act: Act, seed: int, episodes: int = 4) -> np.ndarray:
    """Return the same of a policy that does not tell, (O,), from episodes in the nominal world."""
    steps = nominal_steps(task, act, seed, episodes)
    return np.asarray(batched.observe(task, steps.state)).std(0)


def _acted(task: Task, act: Act, state: np.ndarray) -> np.ndarray:
    return np.clip(act(np.asarray(batched.observe(task, state))), -1.0, 1.0)


def left_out(task: Task) -> dict[str, str]:
    """Return the perturbations that mean nothing to a task's robot, and why."""
    model, found = task.model, {}
    contacts = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_CONTACT
    touching = bool(model.npair) or bool((model.geom_contype != 0).any())
    if not (contacts and touching) and not model.dof_frictionloss.any():
        found["friction"] = "for nothing in the model rubs"
    if not pushed(task).movable.any():
        found["push"] = "for its first body does not move sideways"
    return found


def sweep(
    task: Task,
    act: Act,
    spread: np.ndarray,
    *,
    policy: str,
    seed: int,
    episodes: int,
    levels: Mapping[str, Sequence[float]] = LEVELS,
    threads: int = 0,
) -> Stress:
    """Test a policy in all worlds at once, in one batch of simulations.

    Every world begins from the same initial states, and meets the same random numbers for noise
    and pushes, so that worlds, and policies tested with the same seed, are compared in pairs.

    Args:
      task: the task.
      act: the policy.
      spread: (O,) what noise of one standard deviation is, for each entry of the observation.
      policy: which it is, in a few words.
      seed: of the episodes.
      episodes: in each world.
      levels: of each perturbation, besides the nominal.
      threads: physics threads; 0 for all cores.
    """
    without = left_out(task)
    worlds: list[tuple[str, float]] = [("", 0.0)]
    worlds += [
        (name, value)
        for name, values in levels.items()
        if name not in without
        for value in sorted(set(values) - {NOMINAL[name]})
    ]
    randomisation = [
        fixed(name, value) if name else Randomisation()
        for name, value in worlds
        for _ in range(episodes)
    ]
    outcome = _run(task, act, spread, seed, episodes, randomisation, threads)
    found = [
        _level(value, *(x[i * episodes : (i + 1) * episodes] for x in outcome))
        for i, (_, value) in enumerate(worlds)
    ]
    nominal = found[0]
    curves = []
    for name in dict.fromkeys(name for name, _ in worlds[1:]):
        mine = [x for x, (other, _) in zip(found, worlds, strict=True) if other == name]
        mine.append(_at(nominal, NOMINAL[name]))
        curves.append(Curve(name, tuple(sorted(mine, key=lambda level: level.value))))
    return Stress(
        task=task.name,
        policy=policy,
        episodes=episodes,
        seed=seed,
        timestep=task.description.timestep,
        env_steps=int(outcome[2].sum()),
        nominal=nominal,
        curves=tuple(curves),
        left_out=tuple(sorted(without.items())),
    )


def _run(
    task: Task,
    act: Act,
    spread: np.ndarray,
    seed: int,
    episodes: int,
    randomisation: Sequence[Randomisation],
    threads: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the fitness, (n,), success, (n,) bool, and length, (n,), of each episode."""
    key = jax.random.key(seed)
    count = len(randomisation)
    keys = jnp.tile(jax.random.split(key, episodes), count // episodes)
    backend = CpuBackend(task, keys, threads=threads, randomisation=randomisation)
    noise_key, steps = jax.random.fold_in(key, 1), iter(range(task.description.episode_steps))

    def perceive(state: np.ndarray) -> np.ndarray:
        observation = np.asarray(batched.observe(task, state))
        drawn = _noise(jax.random.fold_in(noise_key, next(steps)), (episodes, len(spread)))
        level = backend.noise
        if level.any():
            same = np.tile(drawn, (count // episodes, 1))
            observation = observation + (level[:, None] * spread * same).astype(np.float32)
        return np.clip(act(observation), -1.0, 1.0)

    start = backend.reset().copy()
    fitness, length = np.zeros(count), np.zeros(count, np.int64)
    last = start.copy()
    for moment in first_episodes(task, backend, start, perceive):
        gained = batched.fitness(task, moment.state, moment.action, moment.next_state)
        fitness += np.where(moment.running, gained, 0.0)
        length += moment.running
        last[moment.running] = moment.next_state[moment.running]
    success = np.asarray(batched.success(task, last)) > 0.5
    return fitness, success, length


@partial(jax.jit, static_argnums=1)
def _noise(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    return jax.random.normal(key, shape)


def _level(value: float, fitness: np.ndarray, success: np.ndarray, length: np.ndarray) -> Level:
    low, high = interval(fitness)
    success_low, success_high = share_interval(int(success.sum()), len(success))
    return Level(
        value=value,
        fitness=float(fitness.mean()),
        low=low,
        high=high,
        success=float(success.mean()),
        success_low=success_low,
        success_high=success_high,
        length=float(length.mean()),
    )


def _at(level: Level, value: float) -> Level:
    return replace(level, value=value)
