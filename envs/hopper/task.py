"""Hopper: a planar one-legged robot with three motors.

Model, reset, observation, limits and expert are those of gymnasium's Hopper-v5.
"""

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_sensor,
    dress,
    gymnasium_model,
    joint_load,
    joint_positions,
    joint_speed,
    joint_stops,
    joint_velocities,
    sensors,
)

FRAME_SKIP = 4
EPISODE_STEPS = 1000
TRAIN_STEPS = 70_000
CAMERA = "track"
TIMESTEP = 0.008  # s, between two actions
GOAL = 8.0  # m in an episode of 8 s

_JOINTS = ("thigh_joint", "leg_joint", "foot_joint")

FIELDS = (
    joint_positions(
        "torso_position",
        "rootx",
        "rootz",
        meaning="x (forward distance from the start) and z (height) of the torso",
        frame="world",
    ),
    joint_positions("torso_pitch", "rooty", meaning="0 upright, positive leans forward"),
    joint_positions("joint_angles", *_JOINTS, meaning="thigh, leg, foot"),
    joint_velocities("torso_velocity", "rootx", "rootz", meaning="x and z", frame="world"),
    joint_velocities("torso_pitch_rate", "rooty", meaning="of torso_pitch"),
    joint_velocities("joint_velocities", *_JOINTS, meaning="thigh, leg, foot"),
    sensors(
        "foot_position", "foot_position", components=(0, 2), meaning="x and z of the foot's centre"
    ),
)

# What the expert's policies do is within: up to 9 degrees into the stops of the foot, on which each
# hop lands, 20 rad/s, 18 times the weight.
LIMITS = (
    joint_stops("stops of the joints", *_JOINTS, give=0.175),  # a blow at 25 rad/s
    joint_speed("joint speed", *_JOINTS, most=25.0),  # about what motors of legged robots reach
    joint_load("force of the ground", "rootz", most=3100.0),  # 20 times the weight
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("hopper.xml")
    add_sensor(spec, "foot_position", "framepos", "foot")
    dress(spec)
    return spec


def reset(key, qpos, qvel):
    """Uniform noise of 0.005 on every position and velocity."""
    k1, k2 = jax.random.split(key)
    noise = 5e-3
    return (
        qpos + jax.random.uniform(k1, qpos.shape, minval=-noise, maxval=noise),
        qvel + jax.random.uniform(k2, qvel.shape, minval=-noise, maxval=noise),
    )


def _posture(state):
    return jnp.concatenate([state.torso_pitch[None], state.joint_angles])


def _velocities(state):
    return jnp.concatenate(
        [state.torso_velocity, state.torso_pitch_rate[None], state.joint_velocities]
    )


def observe(state):
    """Everything but x; velocities clipped to +-10."""
    return jnp.concatenate(
        [state.torso_position[1:], _posture(state), jnp.clip(_velocities(state), -10.0, 10.0)]
    )


def _healthy(state):
    bounded = jnp.concatenate([_posture(state), _velocities(state)])
    return (
        jnp.all(jnp.abs(bounded) < 100.0)
        & (state.torso_position[1] > 0.7)
        & (jnp.abs(state.torso_pitch) < 0.2)
    )


def terminated(state):
    return ~_healthy(state)


def success(state):
    """Hopped 8 m, which is 1 m/s over a full episode, and still on its foot."""
    return (_healthy(state) & (state.torso_position[0] >= GOAL)).astype(jnp.float32)


def fitness(state, action, next_state):
    """Metres travelled forward; a fall ends the count."""
    return next_state.torso_position[0] - state.torso_position[0]


EXPERT_SOURCE = "gymnasium Hopper-v5, after Erez, Tassa & Todorov (2011)"


def expert_reward(state, action, next_state):
    terms = {
        "forward": (next_state.torso_position[0] - state.torso_position[0]) / TIMESTEP,
        "survive": _healthy(next_state).astype(jnp.float32),
        "ctrl": -1e-3 * jnp.sum(action**2),
    }
    return sum(terms.values()), terms
