"""Reacher: a two-jointed arm in the plane that reaches for a random point.

Model, reset, observation and expert are those of gymnasium's Reacher-v5.
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

FRAME_SKIP = 2
EPISODE_STEPS = 50
TRAIN_STEPS = 100_000
CAMERA = "above"
TARGET_RADIUS = 0.2  # m, of the disc that targets are drawn from
TOLERANCE = 0.02  # m, within which the target counts as reached

FIELDS = (
    joint_positions("joint_angles", "joint0", "joint1", meaning="shoulder (not wrapped), elbow"),
    joint_velocities("joint_velocities", "joint0", "joint1", meaning="shoulder, elbow"),
    sensors("fingertip_position", "fingertip_position", components=(0, 1), meaning="x and y"),
    sensors("fingertip_velocity", "fingertip_velocity", components=(0, 1), meaning="x and y"),
    joint_positions(
        "target_position",
        "target_x",
        "target_y",
        frame="world",
        meaning="x and y; it stays where it is during an episode",
    ),
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("reacher.xml")
    add_sensor(spec, "fingertip_position", "framepos", "fingertip", object_type="xbody")
    add_sensor(spec, "fingertip_velocity", "framelinvel", "fingertip", object_type="xbody")
    add_camera(spec, CAMERA, position=(0.0, 0.0, 0.85), target=(0.0, 0.0, 0.0))
    dress(spec, tile=0.1)
    return spec


def reset(key, qpos, qvel):
    """Arm at +-0.1 rad and +-0.005 rad/s; target uniform in a disc, at rest.

    gymnasium draws the target by rejection from a square; the polar draw has the same law.
    """
    k1, k2, k3, k4 = jax.random.split(key, 4)
    arm = qpos[:2] + jax.random.uniform(k1, (2,), minval=-0.1, maxval=0.1)
    radius = TARGET_RADIUS * jnp.sqrt(jax.random.uniform(k2))
    angle = jax.random.uniform(k3, maxval=2 * jnp.pi)
    target = radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    speed = qvel[:2] + jax.random.uniform(k4, (2,), minval=-0.005, maxval=0.005)
    return jnp.concatenate([arm, target]), jnp.concatenate([speed, jnp.zeros(2)])


def observe(state):
    return jnp.concatenate(
        [
            jnp.cos(state.joint_angles),
            jnp.sin(state.joint_angles),
            state.target_position,
            state.joint_velocities,
            state.fingertip_position - state.target_position,
        ]
    )


def _distance(state):
    return jnp.linalg.norm(state.fingertip_position - state.target_position)


def success(state):
    """The fingertip is within 2 cm of the target."""
    return (_distance(state) <= TOLERANCE).astype(jnp.float32)


def fitness(state, action, next_state):
    """Minus the mean distance between fingertip and target over an episode, in m."""
    return -_distance(next_state) / EPISODE_STEPS


EXPERT_SOURCE = "gymnasium Reacher-v5"


def expert_reward(state, action, next_state):
    terms = {"dist": -_distance(next_state), "ctrl": -jnp.sum(action**2)}
    return sum(terms.values()), terms
