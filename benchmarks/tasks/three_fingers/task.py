"""Three fingers: a hand turns a cube on a table; every motion goes through contacts.

The task is D'Claw's turning (Ahn et al., 2019) with a cube that lies free in place of a
valve on an axle, so that pushing it off the middle has to be avoided as well.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_camera,
    add_sensor,
    dress,
    joint_positions,
    joint_velocities,
    scene,
    sensors,
)

FRAME_SKIP = 5
EPISODE_STEPS = 200
TRAIN_STEPS = 1_000_000
CAMERA = "table"
TOLERANCE = 0.2  # rad, within which the cube has been turned
REACH = 0.08  # m, from the middle, beyond which the cube is lost
START = (-2.44, -1.22)  # rad, the cube's angle at first

_JOINTS = tuple(f"{joint}_{finger}" for finger in (1, 2, 3) for joint in ("swing", "reach", "bend"))
_JOINT_ORDER = "swing, reach and bend of fingers 1 (towards +x), 2 and 3, anticlockwise"
_TIPS = ("tip_1", "tip_2", "tip_3")

FIELDS = (
    joint_positions("joint_angles", *_JOINTS, meaning=_JOINT_ORDER),
    joint_velocities("joint_velocities", *_JOINTS, meaning=_JOINT_ORDER),
    sensors("fingertip_positions", *_TIPS, meaning="x, y, z of fingertips 1, 2 and 3"),
    sensors("cube_position", "cube_position", meaning="x, y, z of the cube's centre"),
    sensors(
        "cube_facing",
        "cube_facing",
        meaning="the direction of the cube's light face; (1, 0, 0) is the goal",
    ),
    sensors("cube_up", "cube_up", meaning="the cube's own up direction; (0, 0, 1) if it lies flat"),
    sensors("cube_velocity", "cube_velocity", meaning="x, y and z"),
    sensors(
        "cube_angular_velocity",
        "cube_angular_velocity",
        meaning="about x, y and z; positive about z turns anticlockwise, towards the goal",
    ),
)


def model() -> mujoco.MjSpec:
    spec = scene(Path(__file__).with_name("scene.xml"))
    for tip in _TIPS:
        add_sensor(spec, tip, "framepos", tip, object_type="site")
    for name, kind in (
        ("cube_position", "framepos"),
        ("cube_facing", "framexaxis"),
        ("cube_up", "framezaxis"),
        ("cube_velocity", "framelinvel"),
        ("cube_angular_velocity", "frameangvel"),
    ):
        add_sensor(spec, name, kind, "cube", object_type="xbody")
    add_camera(spec, CAMERA, position=(0.32, -0.42, 0.26), target=(0.0, 0.0, 0.08))
    dress(spec, tile=0.05)
    return spec


def reset(key, qpos, qvel):
    """Fingers within +-0.1 rad of home; the cube within 5 mm of the middle, turned away."""
    k1, k2, k3 = jax.random.split(key, 3)
    half = jax.random.uniform(k1, minval=START[0], maxval=START[1]) / 2
    middle = jax.random.uniform(k2, (2,), minval=-0.005, maxval=0.005)
    fingers = qpos[7:] + jax.random.uniform(k3, (9,), minval=-0.1, maxval=0.1)
    turned = jnp.stack([jnp.cos(half), jnp.zeros(()), jnp.zeros(()), jnp.sin(half)])
    return jnp.concatenate([middle, qpos[2:3], turned, fingers]), qvel


def observe(state):
    return jnp.concatenate(
        [
            state.joint_angles,
            state.joint_velocities,
            state.fingertip_positions,
            state.cube_position,
            state.cube_facing,
            state.cube_up,
            state.cube_velocity,
            state.cube_angular_velocity,
            state.last_action,
        ]
    )


def _off(state):
    """By how much the cube is turned away from the goal, 0 to pi rad."""
    x, y, _ = state.cube_facing
    return jnp.abs(jnp.arctan2(y, x))


def _lost(state):
    return jnp.linalg.norm(state.cube_position[:2]) > REACH


def terminated(state):
    return _lost(state)


def success(state):
    """The light face points along +x within 0.2 rad, and the cube is within reach."""
    return ((_off(state) < TOLERANCE) & ~_lost(state)).astype(jnp.float32)


def fitness(state, action, next_state):
    """Radians by which the cube is nearer to the goal at the end than at the start."""
    return _off(state) - _off(next_state)


EXPERT_SOURCE = "written for this task, after D'Claw Turn of ROBEL (Ahn et al., 2019)"


def expert_reward(state, action, next_state):
    tips = next_state.fingertip_positions.reshape(3, 3) - next_state.cube_position
    off = _off(next_state)
    terms = {
        "progress": 20.0 * (_off(state) - off),
        "off": -0.3 * off,
        "there": 2.0 * (off < TOLERANCE),
        "reach": -2.0 * jnp.mean(jnp.linalg.norm(tips, axis=1)),
        "middle": -10.0 * jnp.linalg.norm(next_state.cube_position[:2]),
        "lost": -10.0 * _lost(next_state),
        "effort": -0.005 * jnp.sum(next_state.joint_velocities**2) / 9,
    }
    return sum(terms.values()), terms
