"""Rewards in NumPy and a robot of three lines, where distances can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions

STEP = 0.1  # s


def reward_of(function: Callable[..., np.ndarray], weights: tuple[float, ...] = ()) -> Reward:
    """A reward that is this function of (state, action, next_state, weights)."""

    def batched(state, action, next_state, w):
        value = np.asarray(function(state, action, next_state, w), np.float32)
        return value, value[:, None]

    return Reward(("all",), np.array(weights, np.float32), batched)  # pyright: ignore


def push(state: np.ndarray, action: np.ndarray) -> np.ndarray:
    """A mass on a rail: its position and velocity after a push."""
    velocity = state[..., 1] + STEP * action[..., 0]
    return np.stack([state[..., 0] + STEP * velocity, velocity], axis=-1)


def pushed(count: int, seed: int = 0) -> Transitions:
    """Random pushes of the mass, at positions of a few metres and up to about 3 m/s."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(count, 2)).astype(np.float32)
    action = rng.uniform(-1, 1, (count, 1)).astype(np.float32)
    return Transitions(state, action, push(state, action).astype(np.float32))


def shaped(reward: Reward, potential: Callable[[np.ndarray], np.ndarray], discount=0.99) -> Reward:
    """The reward with potential shaping; the robot's reward in whatever it is written."""

    def function(state, action, next_state, w):
        own = np.asarray(reward.function(state, action, next_state, reward.weights)[0])
        return own + discount * potential(next_state) - potential(state)

    return reward_of(function)


def scaled(reward: Reward, factor: float, constant: float = 0.0) -> Reward:
    """``factor`` times the reward, and a constant."""

    def function(state, action, next_state, w):
        own = reward.function(state, action, next_state, reward.weights)[0]
        return factor * np.asarray(own) + constant

    return reward_of(function)


NEAR = reward_of(lambda s, a, n, w: -np.abs(n[:, 0] - 1.0))
EFFORT = reward_of(lambda s, a, n, w: -(a[:, 0] ** 2))
SPEED = reward_of(lambda s, a, n, w: (n[:, 0] - s[:, 0]) / STEP)
CAPPED = reward_of(lambda s, a, n, w: np.minimum((n[:, 0] - s[:, 0]) / STEP, 6.0))
NOTHING = reward_of(lambda s, a, n, w: np.full(len(a), 3.0))
BOTH = reward_of(lambda s, a, n, w: -w[0] * np.abs(n[:, 0]) - w[1] * a[:, 0] ** 2, (1.0, 0.3))
