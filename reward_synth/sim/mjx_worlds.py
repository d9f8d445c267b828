"""Domain randomisation of MJX: what makes the worlds of its simulations differ.

Masses, friction and gains are drawn once for each simulation, with its first episode: constants
that follow from masses, such as inverse inertias, are MuJoCo's to compute, which it does on the
host, and not between two episodes on the device. Delay, noise and pushes are drawn anew with
each episode. The numbers are those of the CPU backend.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from mujoco.batch import Batch

from reward_synth.randomisation import Randomisation
from reward_synth.sim.perturb import Perturbations
from reward_synth.sim.worlds import Worlds, bounds_of, draw_world, push_force, pushed
from reward_synth.task.task import Task

# What ``Perturbations`` changes, and what mj_setConst derives from it, as far as MJX has it.
_FIELDS = (
    "body_mass",
    "body_inertia",
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
    "dof_M0",
    "dof_frictionloss",
    "geom_friction",
    "pair_friction",
    "tendon_invweight0",
    "actuator_gainprm",
    "actuator_biasprm",
    "actuator_acc0",
)


class Perturbed(NamedTuple):
    """What differs in n simulations.

    Attributes:
      fields: (n, ...) each, of the model, by name.
      worlds: of the present episodes; of their factors, ``fields`` has those of the first.
      sent: (n, D + 1, A) the latest actions, the last one first.
      steps: (n,) int32, of the present episodes.
    """

    fields: dict[str, jax.Array]
    worlds: Worlds
    sent: jax.Array
    steps: jax.Array


def perturbed(task: Task, randomisation: Randomisation, keys: jax.Array) -> Perturbed:
    """Return what differs in simulations that are before their first episodes; ``keys``: (n,)."""
    n = len(keys)
    batch, bounds = Batch(task.model, n, 1), bounds_of(randomisation, n)
    first = np.zeros(n, np.int64)
    Perturbations(task, batch, keys, bounds).begin(np.arange(n), first)
    fields = {
        name: jnp.asarray(values, jnp.float32)
        for name in _FIELDS
        if (values := batch.expanded(name)) is not None
    }
    sent = jnp.zeros((n, int(bounds[:, 3, 1].max()) + 1, task.model.nu), jnp.float32)
    episode_keys = jax.vmap(jax.random.fold_in)(keys, jnp.asarray(first))
    worlds = worlds_of(task, randomisation, episode_keys)
    return Perturbed(fields, worlds, sent, jnp.zeros(n, jnp.int32))


def worlds_of(task: Task, randomisation: Randomisation, keys: jax.Array) -> Worlds:
    """Draw the worlds of episodes, of which ``keys``, (n,), are the keys."""
    bounds = bounds_of(randomisation, 1)[0]
    steps, movable = task.description.episode_steps, pushed(task).movable
    return jax.vmap(partial(draw_world, steps, movable, bounds))(keys)


def arrived(now: Perturbed, action: jax.Array) -> tuple[Perturbed, jax.Array]:
    """Send actions, (n, A); return those that arrive."""
    sent = jnp.concatenate([action[:, None], now.sent[:, :-1]], axis=1)
    late = jnp.take_along_axis(sent, now.worlds.delay[:, None, None], axis=1)[:, 0]
    return now._replace(sent=sent, steps=now.steps + 1), late


def pushes(task: Task, now: Perturbed, forces: jax.Array) -> jax.Array:
    """Return ``xfrc_applied``, (n, nbody, 6), with the pushes before the present step in it."""
    target = pushed(task)
    return forces.at[:, target.body, :2].set(push_force(now.worlds, target, now.steps))
