"""Steps of a robot that nobody has taught: what rewards are judged on before there is a policy."""

from __future__ import annotations

import jax
import numpy as np

from reward_synth.looks.steps import Looks, Watched, WatchedBackend
from reward_synth.reward.transitions import Transitions
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import VectorEnv
from reward_synth.task.task import Task

_SLOW, _FAST = 0.2, 0.8  # a step's standard deviation, of a range of 2


def explore(
    task: Task,
    seed: int,
    envs: int,
    steps: int,
    *,
    threads: int = 0,
    looks: Looks | None = None,
) -> Transitions:
    """Return ``envs`` x ``steps`` steps of random actions, an episode following the other.

    Actions are random walks, reflected at their limits: independent ones cancel each other
    out and leave most robots where they are. Half of the environments walk slowly, half fast.

    Args:
      task: the task.
      seed: of initial states and actions.
      envs: environments side by side.
      steps: of each.
      threads: physics threads; 0 for all cores.
      looks: who scores pictures, if anybody does.
    """
    rng = np.random.default_rng(seed)
    keys = jax.random.split(jax.random.key(seed), envs)
    backend = (CpuBackend if looks is None else WatchedBackend)(task, keys, threads=threads)
    env = VectorEnv(task, backend)
    pace = np.where(np.arange(envs) % 2, _FAST, _SLOW)[:, None]
    walk = rng.uniform(-1.0, 1.0, (envs, task.description.action_size))
    rows, postures = [], []
    for _ in range(steps):
        walk += pace * rng.standard_normal(walk.shape)
        action = (np.abs((walk + 1.0) % 4.0 - 2.0) - 1.0).astype(np.float32)
        before = env.state.copy()
        standing = backend.posture if isinstance(backend, WatchedBackend) else None
        step = env.step(action)
        rows.append((before, action, step.next_state.copy(), ~step.diverged))
        if isinstance(backend, WatchedBackend):
            postures.append((standing, backend.stepped, step.length, step.done))
    state, action, next_state, kept = (np.stack(column) for column in zip(*rows, strict=True))
    if looks is not None:
        watched = Watched(*(np.stack(column) for column in zip(*postures, strict=True)))
        scores = looks.of_steps(watched, np.zeros(envs, np.float32))
        state[..., -1], next_state[..., -1] = scores
    return Transitions(state[kept], action[kept], next_state[kept])
