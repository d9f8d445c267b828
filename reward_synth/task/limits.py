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
      from_stops: ``low`` counts from each joint's lower stop in the model, ``high`` from its upper.
    """

    name: str
    block: Measured
    objects: tuple[str, ...]
    low: float
    high: float
    unit: str = ""
    from_stops: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A limit that is known to fit the model.

    Attributes:
      name: see ``LimitSource``.
      unit: of the numbers.
      low, high: (k,) between which each is safe.
      block: which of MuJoCo's arrays is measured, after each control step.
      entries: (k,) which of its numbers.
    """

    name: str
    unit: str
    low: np.ndarray
    high: np.ndarray
    block: Measured
    entries: np.ndarray

    def excess(self, values: np.ndarray) -> np.ndarray:
        """Return by how much simulations exceed it, (n,), 0 where none does; ``values``: (n, m)."""
        mine = values[:, self.entries]
        beyond = np.maximum(self.low - mine, mine - self.high)
        return np.maximum(beyond.max(1), 0.0)


def joint_range(name: str, *joints: str, low: float, high: float) -> LimitSource:
    """Limit the positions of joints, in rad or m, to less than the model's stops allow.

    A stop itself is ``joint_stops``.
    """
    return LimitSource(name, "qpos", joints, low, high)


def joint_stops(name: str, *joints: str, give: float) -> LimitSource:
    """Limit how far joints are driven into their stops, in rad or m.

    A stop of MuJoCo's is a spring with a damper, so every joint that touches one is somewhat beyond
    it, and being there says nothing: how far says how hard. A joint that meets its stop at a speed
    v, with nothing else behind it, goes in by 0.35 * v * t, where t is the time constant of the
    stop, the first number of the joint's ``solreflimit`` (0.02 s unless the model says otherwise).
    The deepest that a critically damped spring of angular frequency 1 / (0.95 * t) gets is
    v * 0.95 * t / e (MuJoCo's documentation, "Solver parameters").

    Args:
      name: for people.
      joints: hinges and slides that have stops.
      give: how far a joint may go in: 0.35 * v * t for the hardest blow that is allowed.
    """
    return LimitSource(name, "qpos", joints, -give, give, from_stops=True)


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
      TaskError: a joint or sensor is unknown, a joint has no stops, a name comes twice, or nothing
        lies within.
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
        stops = _stops(model, source) if source.from_stops else np.zeros((len(entries), 2))
        low, high = (stops + np.array([source.low, source.high])).T
        found.append(Limit(source.name, unit, low, high, source.block, entries))
    return tuple(found)


def _stops(model: mujoco.MjModel, source: LimitSource) -> np.ndarray:
    """Return the lower and upper stop of each joint of a limit, (k, 2)."""
    single = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
    for name in source.objects:
        joint = model.joint(name)
        if joint.type[0] not in single or not joint.limited[0]:
            raise TaskError(f"in LIMITS, {source.name!r}: joint {name!r} has no stops.")
    return np.array([model.joint(name).range for name in source.objects])


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
