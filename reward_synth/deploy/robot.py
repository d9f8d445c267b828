"""The robot's side of a bundle: what an action means at each joint, as the model says."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from reward_synth.errors import ExportError

EFFORT, POSITION, VELOCITY = "effort", "position", "velocity"
_FILTERS = (
    mujoco.mjtDyn.mjDYN_NONE,
    mujoco.mjtDyn.mjDYN_FILTER,
    mujoco.mjtDyn.mjDYN_FILTEREXACT,
)
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint that an actuator drives; lengths are in m, angles in rad.

    Attributes:
      name: of the joint, or of its actuator if the joint has none.
      kind: what is commanded: ``EFFORT``, ``POSITION`` or ``VELOCITY``.
      unit: of the command, "N m" for example.
      stiffness: force for each unit of position error, 0 unless positions are commanded.
      damping: force for each unit of velocity that the servo brakes with, 0 for an effort.
      position: range of the joint, None if it has no end.
      effort: the most that the actuator gives, None if the model does not say.
      default: position of the joint in the home pose.
      scale, offset: the command is ``offset + scale * action``.
      control: number by which a command is multiplied to be MuJoCo's ``ctrl``.
      qpos, qvel: its entries in MuJoCo's arrays.
    """

    name: str
    kind: str
    unit: str
    stiffness: float
    damping: float
    position: Range | None
    effort: float | None
    default: float
    scale: float
    offset: float
    control: float
    qpos: int
    qvel: int


def driven_joints(model: mujoco.MjModel) -> list[Joint]:
    """Return the joint of each actuator, in the order of actions.

    Raises:
      ExportError: an actuator is none that a robot's joint controller has.
    """
    joints = [_joint(model, i) for i in range(model.nu)]
    names = [joint.name for joint in joints]
    for name in names:
        if names.count(name) > 1:
            raise ExportError(
                f"joint {name!r} has more than one actuator: a bundle commands a joint once."
            )
    return joints


def _joint(model: mujoco.MjModel, i: int) -> Joint:
    name = model.actuator(i).name
    named = f"actuator {name!r}" if name else f"actuator {i}"
    if model.actuator_trntype[i] != mujoco.mjtTrn.mjTRN_JOINT:
        raise ExportError(
            f"{named} does not drive a joint but a tendon, site or body: a bundle speaks of joints."
        )
    if mujoco.mjtDyn(int(model.actuator_dyntype[i])) not in _FILTERS:
        raise ExportError(f"{named} has a state of its own, such as a muscle's: not for a joint.")
    j = int(model.actuator_trnid[i, 0])
    joint, slides = model.joint(j).name, model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE
    if not slides and model.jnt_type[j] != mujoco.mjtJoint.mjJNT_HINGE:
        raise ExportError(f"{named} drives {joint!r}, which is no hinge or slide.")
    gear, gain = float(model.actuator_gear[i, 0]), float(model.actuator_gainprm[i, 0])
    kind, stiffness, damping = _servo(model, i, named)
    # What a control of 1 commands at the joint.
    unit = gain * gear if kind == EFFORT else 1.0 / gear
    low, high = model.actuator_ctrlrange[i].tolist()
    length = "m" if slides else "rad"
    force = "N" if slides else "N m"
    return Joint(
        name=joint or name or f"actuator_{i}",
        kind=kind,
        unit={EFFORT: force, POSITION: length, VELOCITY: f"{length}/s"}[kind],
        stiffness=stiffness * gear**2,
        damping=damping * gear**2,
        position=tuple(model.jnt_range[j].tolist()) if model.jnt_limited[j] else None,
        effort=_effort(model, i, j, [max(abs(low), abs(high)) * abs(unit)] * (kind == EFFORT)),
        default=float(model.qpos0[model.jnt_qposadr[j]]),
        scale=unit * (high - low) / 2,
        offset=unit * (high + low) / 2,
        control=1.0 / unit,
        qpos=int(model.jnt_qposadr[j]),
        qvel=int(model.jnt_dofadr[j]),
    )


def _servo(model: mujoco.MjModel, i: int, named: str) -> tuple[str, float, float]:
    """Return what is commanded, the stiffness and the damping, before the gear."""
    gain, bias = float(model.actuator_gainprm[i, 0]), model.actuator_biasprm[i, :3].tolist()
    fixed = model.actuator_gaintype[i] == mujoco.mjtGain.mjGAIN_FIXED
    if fixed and model.actuator_biastype[i] == mujoco.mjtBias.mjBIAS_NONE:
        return EFFORT, 0.0, 0.0
    if fixed and model.actuator_biastype[i] == mujoco.mjtBias.mjBIAS_AFFINE and bias[0] == 0.0:
        if bias[1] == -gain:
            return POSITION, gain, -bias[2]
        if bias[1] == 0.0 and bias[2] == -gain:
            return VELOCITY, 0.0, gain
    raise ExportError(f"{named} is no motor, position or velocity servo, which robots have.")


def _effort(model: mujoco.MjModel, i: int, j: int, commanded: list[float]) -> float | None:
    """Return the smallest of what bounds the force on a joint, None if nothing does."""
    bounds = list(commanded)
    if model.actuator_forcelimited[i]:
        bounds.append(float(np.abs(model.actuator_forcerange[i] * model.actuator_gear[i, 0]).max()))
    if model.jnt_actfrclimited[j]:
        bounds.append(float(np.abs(model.jnt_actfrcrange[j]).max()))
    return min(bounds, default=None)
