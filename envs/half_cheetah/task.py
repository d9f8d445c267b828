"""Half-cheetah: a planar two-legged runner with six motors.

Model, reset, observation and expert are those of gymnasium's HalfCheetah-v5.
"""

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_sensor,
    dress,
    gymnasium_model,
    joint_positions,
    joint_velocities,
    sensors,
)

FRAME_SKIP = 5
EPISODE_STEPS = 1000
TRAIN_STEPS = 200_000
CAMERA = "track"
TIMESTEP = 0.05  # s, between two actions
GOAL = 100.0  # m in an episode of 50 s

_JOINTS = ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot")
_JOINT_ORDER = "back thigh, shin, foot, then front thigh, shin, foot"

FIELDS = (
    joint_positions(
        "torso_position",
        "rootx",
        "rootz",
        meaning="x (forward distance from the start) and z (height above the start, which is "
        "0.7 m above the floor) of the torso's middle",
        frame="world",
    ),
    joint_positions(
        "torso_pitch",
        "rooty",
        meaning="0 level, positive is nose down, +-pi on its back; not wrapped",
    ),
    joint_positions("joint_angles", *_JOINTS, meaning=_JOINT_ORDER),
    joint_velocities("torso_velocity", "rootx", "rootz", meaning="x and z", frame="world"),
    joint_velocities("torso_pitch_rate", "rooty", meaning="of torso_pitch"),
    joint_velocities("joint_velocities", *_JOINTS, meaning=_JOINT_ORDER),
    sensors(
        "feet_positions",
        "back_foot",
        "front_foot",
        components=(0, 2, 3, 5),
        meaning="back foot's x and z, front foot's x and z; of their centres, z is height",
    ),
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("half_cheetah.xml")
    add_sensor(spec, "back_foot", "framepos", "bfoot")
    add_sensor(spec, "front_foot", "framepos", "ffoot")
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
    """Everything but x."""
    return jnp.concatenate(
        [
            state.torso_position[1:],
            state.torso_pitch[None],
            state.joint_angles,
            state.torso_velocity,
            state.torso_pitch_rate[None],
            state.joint_velocities,
        ]
    )


def success(state):
    """Ran 100 m, which is 2 m/s over the episode, and is not on its back."""
    upright = jnp.cos(state.torso_pitch) > 0.0
    return (upright & (state.torso_position[0] >= GOAL)).astype(jnp.float32)


def fitness(state, action, next_state):
    """Metres travelled forward."""
    return next_state.torso_position[0] - state.torso_position[0]


EXPERT_SOURCE = "gymnasium HalfCheetah-v5, after Wawrzynski (2009)"


def expert_reward(state, action, next_state):
    terms = {
        "forward": (next_state.torso_position[0] - state.torso_position[0]) / TIMESTEP,
        "ctrl": -0.1 * jnp.sum(action**2),
    }
    return sum(terms.values()), terms
