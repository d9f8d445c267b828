"""What MJX can simulate, and whether it is here: asked before anything is compiled."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, Literal

import jax
import mujoco
import numpy as np

from reward_synth.errors import RewardSynthError, TaskError
from reward_synth.task.task import Task

Implementation = Literal["jax", "warp"]

# What one simulation may need under Warp, for models whose contacts MJX-JAX cannot count.
_CONTACTS, _ROWS = 64, 256

_ACCELERATION = int(mujoco.mjtStage.mjSTAGE_ACC)

# What MJX-JAX 3.17 neither simulates nor refuses: it goes on as though the model had it not.
_IGNORED: tuple[tuple[str, Callable[[mujoco.MjModel], Any]], ...] = (
    ("the noslip solver", lambda m: m.opt.noslip_iterations),
    ("plugins", lambda m: m.nplugin),
    ("delays of actuators or sensors", lambda m: m.nhistory),
    ("sensors that are read at intervals", lambda m: m.sensor_interval),
    ("tactile sensors", lambda m: m.sensor_type == mujoco.mjtSensor.mjSENS_TACTILE),
    ("damping or armature of actuators", lambda m: m.actuator_damping),
    ("damping or armature of actuators", lambda m: m.actuator_dampingpoly),
    ("damping or armature of actuators", lambda m: m.actuator_armature),
    ("actuators that act early (actearly)", lambda m: m.actuator_actearly),
    ("polynomial springs", lambda m: m.jnt_stiffnesspoly),
    ("polynomial springs", lambda m: m.tendon_stiffnesspoly),
    ("polynomial damping", lambda m: m.dof_dampingpoly),
    ("polynomial damping", lambda m: m.tendon_dampingpoly),
    ("plastic springs", lambda m: m.nplastic),
    ("fluid forces on ellipsoids", lambda m: m.geom_fluid[:, 0]),
    ("moving surfaces", lambda m: m.flg_surfacevel),
    ("adhesion", lambda m: m.flg_adhesion),
    ("contact gaps", lambda m: m.geom_gap),
    ("contact gaps", lambda m: m.pair_gap),
)


def import_mjx() -> Any:  # noqa: ANN401 (MJX ships no type information)
    """Return the module ``mujoco.mjx``.

    Raises:
      RewardSynthError: it is not installed.
    """
    try:
        with redirect_stdout(io.StringIO()):  # where it says that it lacks Warp
            from mujoco import mjx
    except ImportError as error:
        raise RewardSynthError(
            "backend=mjx needs MuJoCo MJX: pip install 'reward-synth[mjx]', or "
            "'reward-synth[gpu]' for NVIDIA GPUs."
        ) from error
    return mjx


def choose_implementation() -> Implementation:
    """Return "warp" on an NVIDIA GPU that warp-lang is installed for, else "jax"."""
    from jax.extend.backend import backends

    nvidia = jax.default_backend() == "gpu" and "cuda" in backends()
    return "warp" if nvidia and importlib.util.find_spec("warp") is not None else "jax"


def check_mjx(task: Task) -> None:
    """Check that MJX is here and can simulate the task, without compiling anything.

    Raises:
      RewardSynthError: MJX is not installed.
      TaskError: MJX lacks something that the task's model uses.
    """
    put_on_device(task, 1, choose_implementation())


def put_on_device(task: Task, n: int, implementation: Implementation) -> tuple[Any, Any]:
    """Return MJX's model and the data of one of n simulations, at home, on JAX's device.

    MJX-JAX has room for every contact and constraint that the model can have. So has Warp here,
    which is told the same numbers; where MJX-JAX does not know a pair of shapes, a simulation
    gets 64 contacts and 256 constraint rows, and Warp says so if that is too little. The custom
    numerics ``max_contact_points`` and ``max_geom_pairs`` of a model lower the room for both.

    Raises:
      TaskError: MJX lacks something that the task's model uses.
    """
    mjx = import_mjx()
    try:
        model = mjx.put_model(task.model, impl=implementation)
        if implementation == "jax":
            data = mjx.make_data(task.model, impl="jax")
        else:
            contacts, rows = _room(mjx, task.model)
            data = mjx.make_data(task.model, impl="warp", naconmax=n * contacts, njmax=rows)
    except (NotImplementedError, ValueError) as error:
        raise _cannot(task, _in_words(error)) from error
    if implementation == "jax":
        _check_ignored(task, int(data._impl.nefc))
    return model, data


def _check_ignored(task: Task, rows: int) -> None:
    model = task.model
    for feature, used in _IGNORED:
        if np.any(used(model)):
            raise _cannot(task, feature)
    if not rows and (model.sensor_needstage == _ACCELERATION).any():
        raise _cannot(
            task, "sensors of forces or accelerations in a model without contacts and limits"
        )


def _room(mjx: Any, model: mujoco.MjModel) -> tuple[int, int]:  # noqa: ANN401
    """Return the most contacts and constraint rows that one simulation can have."""
    try:
        counted = mjx.make_data(model, jax.devices("cpu")[0], impl="jax")._impl
    except (NotImplementedError, ValueError):
        return _CONTACTS, _ROWS
    # Warp finds up to 8 contacts between boxes or meshes, MJX-JAX 4.
    coarse = (mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_MESH)
    factor = 2 if np.isin(model.geom_type, coarse).any() else 1
    return max(1, factor * int(counted.ncon)), max(1, factor * int(counted.nefc))


def _cannot(task: Task, feature: str) -> TaskError:
    return TaskError(
        f"MJX cannot simulate {task.name}: it lacks {feature}. Use backend=cpu, which has all of "
        "MuJoCo."
    )


def _in_words(error: Exception) -> str:
    """MJX's own message, such as ``([<mjtSensor.mjSENS_GEOMDIST: 40>] not supported)``."""
    plain = re.sub(r"<?(?:mjt\w+\.)?mj[A-Z]+_(\w+)(?:: \d+>)?", r"\1", " ".join(str(error).split()))
    return f"something ({plain.rstrip('.')})"
