"""Ant: a four-legged robot with eight motors.

Model, reset and limits are those of gymnasium's Ant-v5. The observation is Ant-v5's
with ``include_cfrc_ext_in_observation=False`` (27 numbers) and the expert is Ant-v5's
with ``contact_cost_weight=0``; both are what Ant-v4 does by default. With the contact
forces the observation would have 105 numbers, three quarters of them zero at any time.

The model's own names for the legs take +y for forward; the robot is asked to run along
+x, so the legs are named here as seen by somebody who runs that way.
"""

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_camera,
    add_sensor,
    dress,
    gymnasium_model,
    joint_positions,
    joint_velocities,
    sensors,
)

FRAME_SKIP = 5
EPISODE_STEPS = 1000
TRAIN_STEPS = 500_000
CAMERA = "chase"
TIMESTEP = 0.05  # s, between two actions
GOAL = 50.0  # m in an episode of 50 s

_JOINTS = tuple(f"{joint}_{leg}" for leg in (1, 2, 3, 4) for joint in ("hip", "ankle"))
_LEG_ORDER = "legs 1 (front left), 2 (back left), 3 (back right), 4 (front right)"
_SHINS = ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom")
_FEET = ("foot_1", "foot_2", "foot_3", "foot_4")

FIELDS = (
    joint_positions(
        "torso_position",
        "root",
        components=(0, 1, 2),
        unit="m",
        meaning="x (forward), y (left) and z (height) of the torso's centre",
    ),
    joint_positions(
        "torso_orientation",
        "root",
        components=(3, 4, 5, 6),
        unit="1",
        meaning="unit quaternion w, x, y, z; (1, 0, 0, 0) is upright and facing +x",
    ),
    sensors("torso_up", "torso_up", meaning="the torso's own up direction; (0, 0, 1) if upright"),
    sensors(
        "torso_forward",
        "torso_forward",
        meaning="the direction the torso faces; (1, 0, 0) along the track",
    ),
    joint_positions("joint_angles", *_JOINTS, meaning=f"hip and ankle of {_LEG_ORDER}"),
    joint_velocities(
        "torso_velocity", "root", components=(0, 1, 2), unit="m/s", meaning="x, y and z"
    ),
    joint_velocities(
        "torso_angular_velocity",
        "root",
        components=(3, 4, 5),
        unit="rad/s",
        frame="torso",
        meaning="about the torso's own x (roll), y (pitch) and z (yaw) axes",
    ),
    joint_velocities("joint_velocities", *_JOINTS, meaning=f"hip and ankle of {_LEG_ORDER}"),
    sensors(
        "feet_heights",
        *_FEET,
        components=(2, 5, 8, 11),
        meaning=f"of {_LEG_ORDER}; 0.08 when a foot stands on the floor",
    ),
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("ant.xml")
    add_sensor(spec, "torso_up", "framezaxis", "torso", object_type="xbody")
    add_sensor(spec, "torso_forward", "framexaxis", "torso", object_type="xbody")
    for foot, shin in zip(_FEET, _SHINS, strict=True):
        geom = spec.geom(shin)
        geom.parent.add_site(name=foot, pos=geom.fromto[3:])
        add_sensor(spec, foot, "framepos", foot, object_type="site")
    add_camera(spec, CAMERA, position=(0.3, -3.2, 1.5), target=(0.2, 0.0, -0.1), follow="torso")
    dress(spec)
    return spec


def reset(key, qpos, qvel):
    """Uniform noise of 0.1 on every position, normal noise of 0.1 on every velocity."""
    k1, k2 = jax.random.split(key)
    return (
        qpos + jax.random.uniform(k1, qpos.shape, minval=-0.1, maxval=0.1),
        qvel + 0.1 * jax.random.normal(k2, qvel.shape),
    )


def observe(state):
    """Everything but x and y."""
    return jnp.concatenate(
        [
            state.torso_position[2:],
            state.torso_orientation,
            state.joint_angles,
            state.torso_velocity,
            state.torso_angular_velocity,
            state.joint_velocities,
        ]
    )


def _healthy(state):
    height = state.torso_position[2]
    return jnp.all(jnp.isfinite(observe(state))) & (height >= 0.2) & (height <= 1.0)


def terminated(state):
    return ~_healthy(state)


def success(state):
    """Ran 50 m, which is 1 m/s over a full episode, and is on its feet."""
    on_feet = _healthy(state) & (state.torso_up[2] > 0.0)
    return (on_feet & (state.torso_position[0] >= GOAL)).astype(jnp.float32)


def fitness(state, action, next_state):
    """Metres travelled forward; leaving the healthy heights ends the count."""
    return next_state.torso_position[0] - state.torso_position[0]


EXPERT_SOURCE = "gymnasium Ant-v5 without contact cost, after Schulman et al. (2016)"


def expert_reward(state, action, next_state):
    terms = {
        "forward": (next_state.torso_position[0] - state.torso_position[0]) / TIMESTEP,
        "survive": _healthy(next_state).astype(jnp.float32),
        "ctrl": -0.5 * jnp.sum(action**2),
    }
    return sum(terms.values()), terms
