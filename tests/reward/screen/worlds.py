"""Steps and rewards to screen, on the point mass that should come to rest at 1 m."""

from collections.abc import Callable

import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.reward.screen import Episodes, Evidence
from reward_synth.reward.transitions import Transitions
from reward_synth.task.task import Task

Column = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

DISCOUNT = 0.99


def moves(position: np.ndarray, velocity: float | np.ndarray = 0.0) -> Transitions:
    """Steps that end at these positions, (b,), with these velocities; random pushes."""
    x, v = np.broadcast_arrays(position, velocity)
    push = np.random.default_rng(len(x)).uniform(-1, 1, len(x))
    before = np.stack([x - 0.1 * v, v, np.zeros(len(x))], axis=1)
    after = np.stack([x, v, push], axis=1)  # the last of a state is the action before
    return Transitions(*(a.astype(np.float32) for a in (before, push[:, None], after)))


def explored(seed: int = 0) -> Transitions:
    """3,000 steps of an untrained mass, 60 or so of which end beyond 3 m, where it is lost."""
    rng = np.random.default_rng(seed)
    return moves(rng.normal(0.0, 1.3, 3000), rng.normal(0.0, 0.5, 3000))


def rewarding(**terms: Column | float) -> Reward:
    """A reward that is the sum of terms of (position after, velocity after, push)."""

    def function(state, action, next_state, weights):
        columns = next_state[:, 0], next_state[:, 1], action[:, 0]
        values = [
            term(*columns) if callable(term) else np.full(len(state), term)
            for term in terms.values()
        ]
        stacked = np.stack(values, axis=1).astype(np.float32)
        return stacked.sum(1), stacked

    return Reward(tuple(terms), np.zeros(0, np.float32), function)


def episodes(
    stays: np.ndarray,
    *,
    steps: int = 20,
    velocity: float = 0.0,
    fitness: np.ndarray | None = None,
    terminated: np.ndarray | None = None,
) -> Episodes:
    """One episode about each of these positions; those within 0.2 m of 1 m are successes."""
    stays = np.asarray(stays, float)
    rng = np.random.default_rng(0)
    position = (stays[:, None] + 0.01 * rng.normal(size=(len(stays), steps))).ravel()
    off = np.abs(stays - 1.0)
    return Episodes.whole(
        moves(position, velocity),
        np.full(len(stays), steps),
        terminated=np.zeros(len(stays), bool) if terminated is None else terminated,
        success=off < 0.2,
        fitness=-off if fitness is None else fitness,
    )


def evidence(task: Task, **known) -> Evidence:
    return Evidence.of(task, known.pop("explored", explored()), discount=DISCOUNT, **known)
