"""The worlds that episodes take place in under domain randomisation: how they are drawn.

Pure functions of JAX arrays, the same for all backends.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from reward_synth.randomisation import NOMINAL, Randomisation
from reward_synth.task.task import Task

Array = jax.Array | np.ndarray

PUSHES = 4  # in a full episode
_PURPOSE = zlib.crc32(b"world")  # a stream beside that of initial states


class Worlds(NamedTuple):
    """The worlds of episodes, one a row.

    Attributes:
      mass, friction, gain: (n,) factors.
      delay: (n,) int32, control steps.
      noise: (n,) share of each observation's standard deviation.
      push: (n,) m/s.
      push_step: (n, P) int32, before which of the episode's control steps pushes fall.
      push_direction: (n, P, 2) horizontal unit vectors, zeros where nothing can be pushed.
    """

    mass: Array
    friction: Array
    gain: Array
    delay: Array
    noise: Array
    push: Array
    push_step: Array
    push_direction: Array


@dataclass(frozen=True, slots=True, eq=False)
class Pushed:
    """What pushes act on.

    Attributes:
      body: its number.
      force: N that change the velocity of all that hangs on it by 1 m/s in a control step.
      movable: (2,) 1 where it can move along the world's x and y in the home pose, else 0.
    """

    body: int
    force: float
    movable: np.ndarray


def pushed(task: Task) -> Pushed:
    """Return what pushes act on: the first body that moves."""
    model = task.model
    body = int(np.flatnonzero(model.body_dofnum)[0]) if model.nv else 0
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    jacobian = np.zeros((3, model.nv))
    mujoco.mj_jacBodyCom(model, data, jacobian, None, body)
    movable = (np.abs(jacobian[:2]).max(1, initial=0.0) > 1e-6).astype(np.float32)
    mass = float(model.body_subtreemass[body])
    return Pushed(body, mass / task.description.timestep, movable)


def bounds_of(randomisation: Randomisation | Sequence[Randomisation], n: int) -> np.ndarray:
    """Return (n, 6, 2) low and high of each range, for n simulations, all alike or one by one."""
    if isinstance(randomisation, Randomisation):
        randomisation = [randomisation] * n
    return np.array([one.bounds for one in randomisation], np.float32)


def varies(bounds: np.ndarray) -> dict[str, bool]:
    """Return what differs from the nominal world anywhere, by name; ``bounds``: (n, 6, 2)."""
    nominal = np.array(list(NOMINAL.values()))[:, None]
    return dict(zip(NOMINAL, (bounds != nominal).any((0, 2)).tolist(), strict=True))


def draw_world(steps: int, movable: Array, bounds: Array, key: jax.Array) -> Worlds:
    """Draw the world of one episode.

    Args:
      steps: of a full episode.
      movable: see ``Pushed``.
      bounds: (6, 2).
      key: of the episode, the one that its initial state is drawn from.

    Returns:
      One world, without the first axis.
    """
    levels, when, where = jax.random.split(jax.random.fold_in(key, _PURPOSE), 3)
    low, high = bounds[:, 0], bounds[:, 1]
    share = jax.random.uniform(levels, low.shape)
    mass, friction, gain, _, noise, push = low + share * (high - low)
    # whole numbers, the highest as likely as the others
    delay = jnp.minimum(low[3] + jnp.floor(share[3] * (high[3] - low[3] + 1)), high[3])
    angle = jax.random.uniform(where, (PUSHES,), maxval=2 * jnp.pi)
    direction = jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1) * movable
    length = jnp.linalg.norm(direction, axis=-1, keepdims=True)
    return Worlds(
        mass=mass,
        friction=friction,
        gain=gain,
        delay=delay.astype(jnp.int32),
        noise=noise,
        push=push,
        push_step=jax.random.randint(when, (PUSHES,), 0, steps),
        push_direction=jnp.where(length > 0.0, direction / jnp.maximum(length, 1e-9), 0.0),
    )


@partial(jax.jit, static_argnums=0)
def draw_worlds(
    steps: int, movable: Array, bounds: Array, keys: jax.Array, episodes: Array
) -> Worlds:
    """Draw worlds, (b, e, ...), for e episodes of b simulations.

    Args:
      steps: of a full episode.
      movable: see ``Pushed``.
      bounds: (b, 6, 2).
      keys: (b,) of the simulations.
      episodes: (b, e) their numbers.
    """
    folded = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)))(keys, episodes)
    draw = partial(draw_world, steps, movable)
    return jax.vmap(jax.vmap(draw, (None, 0)))(jnp.asarray(bounds), folded)


def push_force(worlds: Worlds, target: Pushed, step: Array) -> Array:
    """Return the pushes, (n, 2) in N along x and y, before control steps ``step``, (n,)."""
    hit = worlds.push_step == step[:, None]
    direction = (worlds.push_direction * hit[..., None]).sum(1)
    return direction * (worlds.push * target.force)[:, None]
