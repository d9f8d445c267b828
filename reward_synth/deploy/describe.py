"""The sections of deploy.json that say how a robot is read and commanded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from reward_synth.deploy.robot import EFFORT, POSITION, Joint
from reward_synth.deploy.terms import COMPUTED, Term
from reward_synth.records import Field
from reward_synth.task.fields import LAST_ACTION, Block
from reward_synth.task.task import Task

# A reading this many control periods old is of another moment than the policy thinks.
_STALE_PERIODS = 3
# What the trainer's episodes reached is a sample of what is fine: by so much the watch is wider.
_WIDER, _FASTER = 0.25, 2.0
_LEAST_MARGIN, _LEAST_SPEED = 0.05, 0.5  # in m or rad, and a second; of a joint that stood still

_MEANING = {
    EFFORT: "force or torque at the joint",
    POSITION: "target position of the joint, for a servo with this stiffness and damping",
    "velocity": "target velocity of the joint, for a servo with this damping",
}


POLICY = {"file": "policy.onnx", "opset": 17, "input": "obs", "output": "actions"}
ACTION = {
    "meaning": "a number in [-1, 1] for each joint; it is clipped to that, and the command of the "
    "joint, in its unit, is offset + scale * action, held for one period",
    "clip": [-1.0, 1.0],
    "largest_change": 2.0,
}


def timing(task: Task) -> dict[str, Any]:
    """Return how long things take, in s."""
    period = task.description.timestep
    return {
        "physics_timestep": float(task.model.opt.timestep),
        "decimation": task.frame_skip,
        "period": period,
        "control_rate": 1.0 / period,
        "stale_after": _STALE_PERIODS * period,
        "episode_steps": task.description.episode_steps,
    }


def simulation(task: Task, model: str, judge: str) -> dict[str, Any]:
    """Return what the episodes of ``verify`` are run in."""
    sizes = {size: getattr(task.model, size) for size in ("nq", "nv", "nu")}
    return {"model": model, "judge": judge, "mujoco": mujoco.__version__, **sizes}


def joints(driven: Sequence[Joint]) -> list[dict[str, Any]]:
    """Return the joints in the order of actions; ``watch`` is filled in by ``watches``."""
    return [
        {
            "name": joint.name,
            "kind": joint.kind,
            "means": _MEANING[joint.kind],
            "unit": joint.unit,
            "scale": joint.scale,
            "offset": joint.offset,
            "stiffness": joint.stiffness,
            "damping": joint.damping,
            "default": joint.default,
            "limits": {
                "position": joint.position and list(joint.position),
                "velocity": None,
                "effort": joint.effort,
            },
            "watch": {"position": [0.0, 0.0], "speed": 0.0},
            "mujoco": {"qpos": joint.qpos, "qvel": joint.qvel, "control": joint.control},
        }
        for joint in driven
    ]


def watches(driven: Sequence[Joint], seen: np.ndarray) -> list[dict[str, Any]]:
    """Return for each joint where the runtime stops.

    Args:
      driven: J joints.
      seen: (2, n, J) positions and velocities in n moments of the trained policy's episodes.
    """
    low, high = seen[0].min(0), seen[0].max(0)
    found = []
    for i, joint in enumerate(driven):
        ends = [float(low[i]), float(high[i])]
        if joint.position is not None:
            ends = [min(ends[0], joint.position[0]), max(ends[1], joint.position[1])]
        margin = max(_WIDER * (ends[1] - ends[0]), _LEAST_MARGIN)
        speed = max(_FASTER * float(np.abs(seen[1][:, i]).max()), _LEAST_SPEED)
        found.append({"position": [ends[0] - margin, ends[1] + margin], "speed": speed})
    return found


def fields(task: Task, driven: Sequence[Joint], terms: Sequence[Term]) -> list[dict[str, Any]]:
    """Return what the state is made of, and who supplies it on a robot.

    Args:
      task: on the model that the bundle carries.
      driven: its joints that have actuators.
      terms: of the observation; a field in none of them is for judging alone.
    """
    observed = {field.name for term in terms for field in term.fields}
    entries: list[tuple[Block, int]] = []
    for block, _, run in task.layout.pieces:
        entries.extend((block, i) for i in range(run.start, run.stop))
    found, start = [], 0
    for field in task.layout.fields:
        mine = entries[start : start + field.size]
        start += field.size
        entry = _field(field, mine, task.model, driven)
        found.append({**entry, "observed": field.name in observed})
    return found


def _field(
    field: Field,
    entries: Sequence[tuple[Block, int]],
    model: mujoco.MjModel,
    driven: Sequence[Joint],
) -> dict[str, Any]:
    block, places = entries[0][0], [index for _, index in entries]
    where = {"qpos": [j.qpos for j in driven], "qvel": [j.qvel for j in driven]}.get(block, [])
    source, of = "robot", []
    if field.name == LAST_ACTION:
        source = "action"
    elif all(place in where for place in places):
        source = "joint position" if block == "qpos" else "joint velocity"
        of = [where.index(place) for place in places]
    return {
        "name": field.name,
        "shape": list(field.shape),
        "unit": field.unit,
        "frame": field.frame,
        "meaning": field.meaning,
        "source": source,
        "joints": of,
        "mujoco": {
            "array": block,
            "entries": places,
            "objects": list(dict.fromkeys(owner(model, block, place) for place in places)),
        },
    }


def owner(model: mujoco.MjModel, block: Block, place: int) -> str:
    """Return the name of the joint, sensor or actuator that an entry of MuJoCo's belongs to."""
    starts, named = {
        "qpos": (model.jnt_qposadr, model.joint),
        "qvel": (model.jnt_dofadr, model.joint),
        "sensordata": (model.sensor_adr, model.sensor),
        LAST_ACTION: (np.arange(model.nu), model.actuator),
    }[block]
    return named(int(np.searchsorted(starts, place, side="right")) - 1).name


def terms(found: Sequence[Term]) -> list[dict[str, Any]]:
    """Return the observation's terms in order."""
    return [
        {
            "name": term.name,
            "size": term.size,
            "unit": term.unit,
            "frame": term.frame,
            "fields": [field.name for field in term.fields],
            "components": list(term.components),
            "function": term.function,
            "scale": None if term.function == COMPUTED else term.scale,
            "clip": [bound if math.isfinite(bound) else None for bound in term.clip],
            "history": 1,
        }
        for term in found
    ]


def metadata(description: Mapping[str, Any]) -> dict[str, str]:
    """Return policy.onnx's metadata: lists with commas, numbers in full precision.

    The first seven keys are those that deployment code in the field reads.
    """

    def listed(values: Sequence[object]) -> str:
        return ",".join(value if isinstance(value, str) else repr(value) for value in values)

    driven = description["joints"]
    return {
        "joint_names": listed([joint["name"] for joint in driven]),
        "joint_stiffness": listed([joint["stiffness"] for joint in driven]),
        "joint_damping": listed([joint["damping"] for joint in driven]),
        "default_joint_pos": listed([joint["default"] for joint in driven]),
        "command_names": "",
        "observation_names": listed([t["name"] for t in description["observation"]["terms"]]),
        "action_scale": listed([joint["scale"] for joint in driven]),
        "action_offset": listed([joint["offset"] for joint in driven]),
        "task": description["task"]["name"],
        "task_fingerprint": description["task"]["fingerprint"],
    }
