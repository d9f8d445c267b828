"""Hopper: a planar one-legged robot, three motors. Model, limits and expert: Hopper-v5."""

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_sensor,
    gymnasium_model,
    joint_positions,
    joint_velocities,
    sensors,
)

FRAME_SKIP = 4
EPISODE_STEPS = 1000
TRAIN_STEPS = 200_000
CAMERA = "track"
TIMESTEP = 0.008  # s, between two actions

FIELDS = (
    joint_positions(
        "torso_position",
        "rootx",
        "rootz",
        meaning="x (forward distance from the start) and z (height) of the torso",
        frame="world",
    ),
    joint_positions("torso_pitch", "rooty", meaning="0 upright, positive leans forward"),
    joint_positions("joint_angles", "thigh_joint", "leg_joint", "foot_joint", meaning="thigh, leg, foot"),
    joint_velocities("torso_velocity", "rootx", "rootz", meaning="x and z", frame="world"),
    joint_velocities("torso_pitch_rate", "rooty", meaning="of torso_pitch"),
    joint_velocities("joint_velocities", "thigh_joint", "leg_joint", "foot_joint", meaning="thigh, leg, foot"),
    sensors("foot_position", "foot_position", components=(0, 2), meaning="x and z of the foot's centre"),
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("hopper.xml")
    add_sensor(spec, "foot_position", "framepos", "foot")
    return spec


def reset(key, qpos, qvel):
    """Uniform noise of 0.005 on every position and velocity, as Hopper-v5."""
    k1, k2 = jax.random.split(key)
    noise = 5e-3
    return (
        qpos + jax.random.uniform(k1, qpos.shape, minval=-noise, maxval=noise),
        qvel + jax.random.uniform(k2, qvel.shape, minval=-noise, maxval=noise),
    )


def observe(state):
    velocities = jnp.concatenate(
        [state.torso_velocity, state.torso_pitch_rate[None], state.joint_velocities]
    )
    return jnp.concatenate(
        [
            state.torso_position[1:],
            state.torso_pitch[None],
            state.joint_angles,
            jnp.clip(velocities, -10.0, 10.0),
        ]
    )


def _healthy(state):
    bounded = jnp.concatenate([observe(state)[1:5], state.torso_velocity])
    return (
        jnp.all(jnp.abs(bounded) < 100.0)
        & (state.torso_position[1] > 0.7)
        & (jnp.abs(state.torso_pitch) < 0.2)
    )


def terminated(state):
    return ~_healthy(state)


def success(state):
    """Moving forward at 1 m/s or more, upright."""
    return (_healthy(state) & (state.torso_velocity[0] >= 1.0)).astype(jnp.float32)


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
