"""Short stretches of episodes, all equally long: what a teacher compares two by two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_synth.reward.transitions import Transitions
from reward_synth.rollout.episodes import Rollouts


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """n segments of L steps.

    Equally long, so that a sum over one says nothing about how long its episode was.

    Attributes:
      state: (n, L, S) float32.
      action: (n, L, A) in [-1, 1].
      next_state: (n, L, S).
      fitness: (n,) of each segment, the sum of its steps'.
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray
    fitness: np.ndarray

    def __len__(self) -> int:
        return len(self.state)

    @property
    def transitions(self) -> Transitions:
        """All steps, those of the first segment first."""
        parts = (self.state, self.action, self.next_state)
        return Transitions(*(part.reshape(-1, part.shape[-1]) for part in parts))

    @classmethod
    def join(cls, parts: Sequence[Segments]) -> Segments:
        """Return the segments of all parts, which must be equally long, one after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__slots__))


def strewn(rollouts: Rollouts, episode: int, count: int) -> Segments:
    """Return an episode as one segment: ``count`` of its steps, evenly strewn over all of it.

    A sum over them stands for the mean over the episode, however long that was.

    Args:
      rollouts: of one policy.
      episode: which of them.
      count: L. Of shorter episodes steps are repeated.
    """
    steps = np.linspace(0, rollouts.length[episode] - 1, count).round().astype(int)
    return Segments(
        state=rollouts.state[steps, episode][None],
        action=rollouts.action[steps, episode][None],
        next_state=rollouts.state[steps + 1, episode][None],
        fitness=rollouts.fitness[steps, episode].sum(keepdims=True),
    )


def cut(rollouts: Rollouts, length: int, count: int, rng: np.random.Generator) -> Segments:
    """Draw ``count`` segments, any two different; fewer if the episodes do not hold so many.

    Episodes that are shorter than a segment are passed over. Segments may overlap.

    Args:
      rollouts: E episodes of one policy.
      length: L, in steps.
      count: how many.
      rng: of the draw.

    Raises:
      ValueError: a segment has no step.
    """
    if length < 1:
        raise ValueError(f"a segment has at least one step, not {length}.")
    places = np.maximum(rollouts.length - length + 1, 0)  # (E,) where one can begin
    drawn = rng.permutation(int(places.sum()))[:count]
    episode = np.repeat(np.arange(len(places)), places)[drawn]
    begin = drawn - (np.cumsum(places) - places)[episode]
    steps = begin[:, None] + np.arange(length), episode[:, None]  # (n, L) and (n, 1)
    return Segments(
        state=rollouts.state[:-1][steps],
        action=rollouts.action[steps],
        next_state=rollouts.state[1:][steps],
        fitness=rollouts.fitness[steps].sum(1),
    )
