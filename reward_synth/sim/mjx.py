"""The MJX backend: physics as pure functions of arrays that stay on JAX's device.

``MjxPhysics`` is what a compiled rollout is made of; ``MjxBackend`` drives it from the host.
Numbers are single precision, so trajectories drift from those of the CPU backend, the sooner
the more there is contact; each single step agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from reward_synth.randomisation import Randomisation
from reward_synth.sim.mjx_support import (
    Implementation,
    choose_implementation,
    import_mjx,
    put_on_device,
)
from reward_synth.sim.mjx_worlds import Perturbed, arrived, perturbed, pushes, worlds_of
from reward_synth.task.task import Task

# All of MuJoCo's state that changes here: what the next physics step follows from.
_STATE = ("time", "qpos", "qvel", "act", "history", "qacc_warmstart")

_MOTION = (mujoco.mjtStage.mjSTAGE_POS, mujoco.mjtStage.mjSTAGE_VEL)
_FORCES = (mujoco.mjtStage.mjSTAGE_ACC,)


class Simulations(NamedTuple):
    """n simulations; each array's first axis is theirs."""

    data: Any  # mjx.Data
    keys: jax.Array  # (n,) one stream of initial states a simulation
    episode: jax.Array  # (n,) int32, of how many episodes the simulation has drawn the start
    state: jax.Array  # (n, S)
    diverged: jax.Array  # (n,) bool
    perturbed: Perturbed | None = None  # what domain randomisation makes differ

    @property
    def fields(self) -> dict[str, jax.Array]:
        """(n, ...) each, the model's fields that differ, by name."""
        return {} if self.perturbed is None else self.perturbed.fields


@dataclass(frozen=True, slots=True, eq=False)
class MjxPhysics:
    """The physics of n simulations of a task: pure functions, to be called under ``jax.jit``.

    Attributes:
      task: the task.
      n: number of simulations.
      implementation: MJX's, "jax" or "warp".
      model: MJX's model, on the device.
      home: MJX's data of one simulation at the model's home configuration, on the device.
      randomisation: between which bounds worlds differ, see ``mjx_worlds``; None for nothing.
    """

    task: Task
    n: int
    implementation: Implementation
    model: Any
    home: Any
    randomisation: Randomisation | None = None

    def perturbed(self, keys: jax.Array) -> Perturbed | None:
        """Return what differs in simulations of these keys, (n,); not to be compiled."""
        return perturbed(self.task, self.randomisation, keys) if self.randomisation else None

    def start(self, keys: jax.Array, perturbed: Perturbed | None) -> Simulations:
        """Return simulations before their first episodes, for ``reset``; ``keys``: (n,)."""
        return Simulations(
            data=self.spread({"qpos": jnp.tile(self.home.qpos, (self.n, 1))}),
            keys=keys,
            episode=jnp.zeros(self.n, jnp.int32),
            state=jnp.zeros((self.n, self.task.layout.size), jnp.float32),
            diverged=jnp.zeros(self.n, bool),
            perturbed=perturbed,
        )

    def spread(self, state: dict[str, jax.Array]) -> Any:  # noqa: ANN401
        """Return n simulations' data, at home but for ``state``; its arrays: (n, ...)."""
        return jax.vmap(lambda own: self.home.replace(**own))(state)

    def reset(self, simulations: Simulations, chosen: jax.Array) -> Simulations:
        """Start new episodes where ``chosen``, (n,) bool.

        Episode e of simulation i starts from the draw of key ``fold_in(keys[i], e)``.
        """
        task, home, data = self.task, self.home, simulations.data
        draw = jax.vmap(task.reset, (0, None, None))
        keys = jax.vmap(jax.random.fold_in)(simulations.keys, simulations.episode)
        qpos, qvel = draw(keys, home.qpos, home.qvel)
        fresh = {name: getattr(home, name) for name in (*_STATE, "ctrl")}
        fresh |= {"qpos": qpos, "qvel": qvel}
        now = simulations.perturbed
        if now is not None:
            assert self.randomisation is not None
            anew = worlds_of(task, self.randomisation, keys), 0.0 * now.sent, 0 * now.steps
            before = now.worlds, now.sent, now.steps
            both = jax.tree.map(lambda new, old: _where(chosen, new, old), anew, before)
            now = Perturbed(now.fields, *both)
            fresh["xfrc_applied"] = home.xfrc_applied
        data = data.replace(
            **{name: _where(chosen, start, getattr(data, name)) for name, start in fresh.items()}
        )
        if self._reads(_FORCES):  # those that act at the start
            with _full_precision():
                started = self._each(import_mjx().forward, simulations.fields, data).sensordata
        else:
            started = self._sensordata(data, simulations.fields)
        data = data.replace(sensordata=_where(chosen, started, data.sensordata))
        state = self._read(data, jnp.zeros((self.n, task.model.nu), jnp.float32))
        return Simulations(
            data=data,
            keys=simulations.keys,
            episode=simulations.episode + chosen,
            state=_where(chosen, state, simulations.state),
            diverged=simulations.diverged & ~chosen,
            perturbed=now,
        )

    def step(self, simulations: Simulations, action: jax.Array) -> Simulations:
        """Apply actions, (n, A) in [-1, 1], for one control step.

        An action that is not finite counts as divergence. A diverged simulation keeps its
        last finite state until it is reset.
        """
        task = self.task
        diverged = simulations.diverged | ~jnp.isfinite(action).all(axis=1)
        action = late = jnp.where(diverged[:, None], 0.0, action)
        data, now, fields = simulations.data, simulations.perturbed, simulations.fields
        if now is not None:
            data = data.replace(xfrc_applied=pushes(task, now, data.xfrc_applied))
            now, late = arrived(now, action)
        ctrl = jnp.asarray(task.action_offset, jnp.float32) + late * jnp.asarray(
            task.action_scale, jnp.float32
        )
        data, diverged = self._advance(data.replace(ctrl=ctrl), fields, diverged)
        # The last physics step has left the sensors at the state before it.
        data = data.replace(sensordata=self._sensordata(data, fields))
        state = self._read(data, action)
        diverged |= ~jnp.isfinite(state).all(axis=1)
        return simulations._replace(
            data=data,
            state=_where(diverged, simulations.state, state),
            diverged=diverged,
            perturbed=now,
        )

    def _each(
        self,
        function: Callable[[Any, Any], Any],
        fields: dict[str, jax.Array],
        data: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Apply a function of MJX to each simulation, with its own fields of the model."""
        return jax.vmap(lambda own, data: function(self.model.replace(**own), data))(fields, data)

    def _advance(
        self,
        data: Any,  # noqa: ANN401
        fields: dict[str, jax.Array],
        diverged: jax.Array,
    ) -> tuple[Any, jax.Array]:
        """Take ``frame_skip`` physics steps; where one is MuJoCo's to give up at, it diverged."""
        mjx = import_mjx()

        def substep(_: int, now: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
            data, diverged = now
            diverged |= _bad(data.qpos) | _bad(data.qvel)
            with _full_precision():
                data = self._each(mjx.step, fields, data)
            return data, diverged | _bad(data.qacc)

        data, diverged = jax.lax.fori_loop(0, self.task.frame_skip, substep, (data, diverged))
        finite = [jnp.isfinite(getattr(data, name)).reshape(self.n, -1).all(1) for name in _STATE]
        return data, diverged | ~jnp.stack(finite).all(0)

    def _sensordata(self, data: Any, fields: dict[str, jax.Array]) -> jax.Array:  # noqa: ANN401
        """Return the sensors, (n, nsensordata), current at the data's positions and velocities.

        As with the CPU backend, those of forces and accelerations stay as they are.
        """
        if not self._reads(_MOTION):
            return data.sensordata
        mjx = import_mjx()

        def current(model: Any, data: Any) -> jax.Array:  # noqa: ANN401
            if self.implementation == "warp":
                return mjx.forward(model, data).sensordata
            # mj_forward as far as velocities. XLA leaves out what the sensors do not need of it.
            data = mjx.sensor_pos(model, mjx.fwd_position(model, data))
            return mjx.sensor_vel(model, mjx.fwd_velocity(model, data)).sensordata

        of_motion = _sensor_entries(self.task.model, _MOTION)
        with _full_precision():
            return jnp.where(of_motion, self._each(current, fields, data), data.sensordata)

    def _reads(self, stages: tuple[mujoco.mjtStage, ...]) -> bool:
        """Whether the state vector has sensors that MuJoCo computes at these stages."""
        entries = _sensor_entries(self.task.model, stages)
        pieces = self.task.layout.pieces
        return any(entries[run].any() for block, _, run in pieces if block == "sensordata")

    def _read(self, data: Any, last_action: jax.Array) -> jax.Array:  # noqa: ANN401
        """Return the state vectors, (n, S)."""
        arrays = {
            "qpos": data.qpos,
            "qvel": data.qvel,
            "sensordata": data.sensordata,
            "last_action": last_action,
        }
        pieces = [arrays[block][:, entries] for block, _, entries in self.task.layout.pieces]
        return jnp.concatenate(pieces, axis=1).astype(jnp.float32)


@lru_cache(maxsize=8)
def mjx_physics(
    task: Task,
    n: int,
    implementation: Implementation | None = None,
    randomisation: Randomisation | None = None,
) -> MjxPhysics:
    """Return the physics of n simulations of a task, the same object for the same arguments.

    What was compiled for it is thus found again.

    Args:
      task: the task.
      n: number of simulations.
      implementation: MJX's; None for the device's best, see ``choose_implementation``.
      randomisation: between which bounds worlds differ; None for nothing.

    Raises:
      RewardSynthError: MJX is not installed.
      TaskError: MJX lacks something that the task's model uses.
    """
    implementation = implementation or choose_implementation()
    model, home = put_on_device(task, n, implementation)
    return MjxPhysics(task, n, implementation, model, home, randomisation or None)


def _full_precision() -> AbstractContextManager[object]:
    """Multiply matrices in single precision; XLA's default on NVIDIA GPUs keeps 10 bits of 23."""
    return jax.default_matmul_precision("highest")


def _sensor_entries(model: mujoco.MjModel, stages: tuple[mujoco.mjtStage, ...]) -> np.ndarray:
    """Where in ``sensordata`` the sensors of these stages are, (nsensordata,) bool."""
    entries = np.zeros(model.nsensordata, bool)
    for stage, start, size in zip(
        model.sensor_needstage, model.sensor_adr, model.sensor_dim, strict=True
    ):
        entries[start : start + size] = stage in map(int, stages)
    return entries


def compiled(function: Callable[..., Any], static: int = 1, donate: int | None = None) -> Any:  # noqa: ANN401
    """Compile a program of physics, when it is first called.

    The fused kernels of XLA's CPU compiler compute a body's pose anew for every number that
    follows from it, which makes the pusher 400 times slower; they are left out of it.

    Args:
      function: the first of its arguments are not arrays.
      static: how many of them.
      donate: the argument whose memory the result may take over.
    """

    @cache
    def program() -> Any:  # noqa: ANN401
        on_cpu = jax.default_backend() == "cpu"
        return jax.jit(
            function,
            static_argnums=tuple(range(static)),
            donate_argnums=donate,
            compiler_options={"xla_cpu_use_fusion_emitters": False} if on_cpu else None,
        )

    return lambda *arguments: program()(*arguments)


def _where(chosen: jax.Array, one: jax.Array, other: jax.Array) -> jax.Array:
    """Select rows; ``chosen``: (n,), ``other``: (n, ...)."""
    return jnp.where(chosen.reshape(-1, *[1] * (other.ndim - 1)), one, other)


def _bad(values: jax.Array) -> jax.Array:
    """Where mj_checkPos, mj_checkVel or mj_checkAcc would give up, (n,); NaN is no number."""
    return ~(jnp.abs(values) <= mujoco.mjMAXVAL).all(axis=1)


class MjxBackend:
    """n simulations on JAX's device, driven from the host; implements ``Backend``.

    For training, ``train.collect_mjx`` keeps the whole rollout on the device.

    Args:
      task: the task.
      keys: (n,) JAX random keys, one stream of initial states a simulation.
      implementation: see ``mjx_physics``.
      randomisation: see ``mjx_physics``.
    """

    def __init__(
        self,
        task: Task,
        keys: jax.Array,
        *,
        implementation: Implementation | None = None,
        randomisation: Randomisation | None = None,
    ) -> None:
        self.n = len(keys)
        self._physics = mjx_physics(task, self.n, implementation, randomisation)
        self._simulations = _start(self._physics, keys, self._physics.perturbed(keys))

    def reset(self, ids: np.ndarray | None = None) -> np.ndarray:
        """Start new episodes; see ``Backend.reset``."""
        chosen = np.ones(self.n, bool)
        if ids is not None:
            chosen[:] = np.isin(np.arange(self.n), ids)
        self._simulations = _reset(self._physics, self._simulations, chosen)
        return self._state()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply one action for ``frame_skip`` physics steps; see ``Backend.step``."""
        action = np.asarray(action, np.float32)
        self._simulations = _step(self._physics, self._simulations, action)
        return self._state(), np.array(self._simulations.diverged)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return copies of all that changes; see ``Backend.checkpoint``."""
        return save(self._simulations)

    def restore(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from ``checkpoint``; see ``Backend.restore``."""
        self._simulations = restore(self._physics, self._simulations, saved)
        return self._state()

    def _state(self) -> np.ndarray:
        return np.array(self._simulations.state)  # a copy: the next call reuses the memory


def save(simulations: Simulations) -> dict[str, np.ndarray]:
    """Return copies of what ``restore`` needs to go on as though there had been no stop.

    On a CPU that is bit-identical; a GPU adds forces up in no fixed order.
    """
    arrays = {f"data_{name}": getattr(simulations.data, name) for name in _STATE}
    for name in ("episode", "state", "diverged"):
        arrays[name] = getattr(simulations, name)
    if simulations.perturbed is not None:
        arrays |= {"sent": simulations.perturbed.sent, "world_steps": simulations.perturbed.steps}
    return {name: np.array(array) for name, array in arrays.items()}


def restore(
    physics: MjxPhysics, simulations: Simulations, saved: dict[str, np.ndarray]
) -> Simulations:
    """Return the simulations that ``save`` wrote down, given others of the same keys."""
    state = {name: jnp.asarray(saved[f"data_{name}"]) for name in _STATE}
    found = simulations._replace(
        data=_spread(physics, state),
        **{name: jnp.asarray(saved[name]) for name in ("episode", "state", "diverged")},
    )
    if found.perturbed is None:
        return found
    assert physics.randomisation is not None
    keys = jax.vmap(jax.random.fold_in)(found.keys, found.episode - 1)
    worlds = worlds_of(physics.task, physics.randomisation, keys)
    sent, steps = jnp.asarray(saved["sent"]), jnp.asarray(saved["world_steps"])
    perturbed = found.perturbed._replace(worlds=worlds, sent=sent, steps=steps)
    return found._replace(perturbed=perturbed)


_start = compiled(MjxPhysics.start)
_spread = compiled(MjxPhysics.spread)
_reset = compiled(MjxPhysics.reset, donate=1)
_step = compiled(MjxPhysics.step, donate=1)
