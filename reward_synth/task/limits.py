"""Safety limits that a task declares: what its robot must not exceed, whatever the reward pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import mujoco
import numpy as np

from reward_synth.errors import TaskError
from reward_synth.task.fields import Block, FieldSource, locate

Measured = Literal["qpos", "qvel", "qfrc_actuator", "qfrc_constraint", "sensordata"]


@dataclass(frozen=True, slots=True)
class LimitSource:
    """A limit as a task declares it, before it is resolved against the model.

    Attributes:
      name: for people, such as "leg torque".
      block: which of MuJoCo's arrays is measured.
      objects: joint or sensor names; each of their numbers must keep to the limit.
      low, high: between which the numbers are safe.
      unit: overrides the unit that the model implies.
    """

    name: str
    block: Measured
    objects: tuple[str, ...]
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A limit that is known to fit the model.

    Attributes:
      name, low, high: see ``LimitSource``.
      unit: of the numbers.
      block: which of MuJoCo's arrays is measured, after each control step.
      entries: (k,) which of its numbers.
    """

    name: str
    unit: str
    low: float
    high: float
    block: Measured
    entries: np.ndarray

    def excess(self, values: np.ndarray) -> np.ndarray:
        """Return by how much simulations exceed it, (n,), 0 where none does; ``values``: (n, m)."""
        mine = values[:, self.entries]
        beyond = np.maximum(self.low - mine, mine - self.high)
        return np.maximum(beyond.max(1), 0.0)


def joint_range(name: str, *joints: str, low: float, high: float) -> LimitSource:
    """Limit the positions of joints, in rad or m; tighter than the model's stops if need be."""
    return LimitSource(name, "qpos", joints, low, high)


def joint_speed(name: str, *joints: str, most: float) -> LimitSource:
    """Limit how fast joints move either way, in rad/s or m/s."""
    return LimitSource(name, "qvel", joints, -most, most)


def joint_torque(name: str, *joints: str, most: float) -> LimitSource:
    """Limit what actuators exert on joints either way, in N m, or N on a sliding joint."""
    return LimitSource(name, "qfrc_actuator", joints, -most, most)


def joint_load(name: str, *joints: str, most: float) -> LimitSource:
    """Limit what contacts and stops exert on joints either way, in N m, or N on a sliding joint.

    On the joint that lets a robot rise it is the force of the ground; a free joint has its
    moments too, so prefer a sensor there.
    """
    return LimitSource(name, "qfrc_constraint", joints, -most, most)


def sensor_limit(name: str, *sensors: str, most: float, unit: str = "") -> LimitSource:
    """Limit what sensors show, such as a touch sensor's contact force in N."""
    return LimitSource(name, "sensordata", sensors, -most, most, unit)


def resolve_limits(
    model: mujoco.MjModel, sources: Sequence[LimitSource] | None
) -> tuple[Limit, ...]:
    """Resolve declared limits against a compiled model.

    Raises:
      TaskError: a joint or sensor is unknown, a name comes twice, or nothing lies within.
    """
    found: list[Limit] = []
    for source in sources or ():
        if not source.low < source.high:
            raise TaskError(f"limit {source.name!r}: low must be below high.")
        if not source.name or source.name in [limit.name for limit in found]:
            raise TaskError(f"limit {source.name!r}: give each limit a name of its own.")
        if not source.objects:
            raise TaskError(f"limit {source.name!r} names no joint or sensor.")
        entries, unit = _locate(model, source)
        found.append(Limit(source.name, unit, source.low, source.high, source.block, entries))
    return tuple(found)


def _locate(model: mujoco.MjModel, source: LimitSource) -> tuple[np.ndarray, str]:
    """Return which numbers of its block a limit measures, and their unit."""
    # forces on joints are laid out as their velocities
    forces = source.block in ("qfrc_actuator", "qfrc_constraint")
    block = cast("Block", "qvel" if forces else source.block)
    field = FieldSource(source.name, block, source.objects, "")
    try:
        entries, unit, _ = locate(model, field)
    except TaskError as error:
        raise TaskError(f"in LIMITS, {error}") from error
    if forces:
        unit = {"m/s": "N", "rad/s": "N m"}.get(unit, "N or N m")
    return np.array(entries), source.unit or unit
