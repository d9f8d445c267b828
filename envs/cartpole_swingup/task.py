"""Cart-pole swing-up: one motor on the cart, none on the pole.

Dynamics, reset, observation and expert are those of ``swingup`` in dm_control's cartpole
domain. Its episodes are 1000 steps of 0.01 s; ours are 500 of 0.02 s, which is as fast as
anybody needs to act here and halves what an episode costs.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_sensor,
    dress,
    joint_positions,
    joint_speed,
    joint_stops,
    joint_velocities,
    scene,
    sensors,
)

FRAME_SKIP = 2
EPISODE_STEPS = 500
TRAIN_STEPS = 150_000
CAMERA = "side"

FIELDS = (
    joint_positions(
        "cart_position", "slider", frame="world", meaning="x; 0 is the middle of the rail"
    ),
    joint_velocities("cart_velocity", "slider", frame="world", meaning="x"),
    joint_positions(
        "pole_angle",
        "hinge",
        frame="world",
        meaning="0 upright, pi hanging, positive leans towards +x; not wrapped",
    ),
    joint_velocities("pole_angular_velocity", "hinge", frame="world", meaning="of pole_angle"),
    sensors(
        "pole_tip_position",
        "tip",
        components=(0, 2),
        meaning="x and z; z is 2 upright, 0 hanging",
    ),
)

LIMITS = (
    joint_stops("stops of the rail", "slider", give=0.03),  # a blow at 1 m/s
    joint_speed("cart speed", "slider", most=5.0),
)


def model() -> mujoco.MjSpec:
    spec = scene(Path(__file__).with_name("scene.xml"))
    add_sensor(spec, "tip", "framepos", "tip", object_type="site")
    dress(spec)
    return spec


def reset(key, qpos, qvel):
    """Pole hanging, cart in the middle; normal noise of 0.01 on positions and velocities."""
    k1, k2 = jax.random.split(key)
    return (
        qpos + 0.01 * jax.random.normal(k1, qpos.shape),
        qvel + 0.01 * jax.random.normal(k2, qvel.shape),
    )


def observe(state):
    return jnp.stack(
        [
            state.cart_position,
            jnp.cos(state.pole_angle),
            jnp.sin(state.pole_angle),
            state.cart_velocity,
            state.pole_angular_velocity,
        ]
    )


def _upright(state):
    """From 0, hanging, to 1, upright."""
    return (1.0 + jnp.cos(state.pole_angle)) / 2.0


def success(state):
    """Balanced: within 18 degrees of upright, turning slower than 1 rad/s, off the stops."""
    balanced = (jnp.cos(state.pole_angle) > 0.95) & (jnp.abs(state.pole_angular_velocity) < 1.0)
    return (balanced & (jnp.abs(state.cart_position) < 1.7)).astype(jnp.float32)


def fitness(state, action, next_state):
    """How upright the pole is, averaged over the episode: 0 hanging, 1 upright throughout."""
    return _upright(next_state) / EPISODE_STEPS


EXPERT_SOURCE = "dm_control cartpole swingup, Tassa et al. (2018), arXiv:1801.00690"


def _near_zero(x, margin):
    """dm_control's ``tolerance`` with a Gaussian: 1 at zero, 0.1 at the margin."""
    return jnp.exp(jnp.log(0.1) * (x / margin) ** 2)


def expert_reward(state, action, next_state):
    centered = (1.0 + _near_zero(next_state.cart_position, 2.0)) / 2.0
    slow = (1.0 + _near_zero(next_state.pole_angular_velocity, 5.0)) / 2.0
    gentle = (4.0 + jnp.maximum(1.0 - action[0] ** 2, 0.0)) / 5.0
    reward = _upright(next_state) * centered * slow * gentle
    return reward, {"swingup": reward}
