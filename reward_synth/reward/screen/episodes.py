"""Episodes to judge rewards by: steps that know their episode, thinned where they are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reward_synth.reward.transitions import Transitions


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """E episodes in b steps, at least one each.

    Attributes:
      transitions: the b steps, one episode's after the other, each in order.
      episode: (b,) int, which episode a step is of; ascending.
      weight: (b,) float, how many steps of its episode it stands for: 1 unless thinned.
      terminated: (E,) bool, the task ended the episode with its last step.
      success: (E,) bool, the goal held in its last state.
      fitness: (E,) of each episode.
    """

    transitions: Transitions
    episode: np.ndarray
    weight: np.ndarray
    terminated: np.ndarray
    success: np.ndarray
    fitness: np.ndarray

    def __len__(self) -> int:
        return len(self.success)

    @classmethod
    def whole(
        cls,
        transitions: Transitions,
        length: np.ndarray,
        *,
        terminated: np.ndarray,
        success: np.ndarray,
        fitness: np.ndarray,
    ) -> Episodes:
        """Make episodes of all their steps, given the (E,) number of steps of each."""
        episode = np.repeat(np.arange(len(length)), length)
        weight = np.ones(len(episode))
        return cls(transitions, episode, weight, terminated, success, fitness)

    @classmethod
    def join(cls, parts: Sequence[Episodes]) -> Episodes:
        """Return the episodes of all parts, one part after the other."""
        first = np.cumsum([0] + [len(part) for part in parts])
        return cls(
            Transitions.join([part.transitions for part in parts]),
            np.concatenate([part.episode + n for part, n in zip(parts, first, strict=False)]),
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("weight", "terminated", "success", "fitness")
            ),
        )

    @property
    def length(self) -> np.ndarray:
        """(E,) steps of each episode, those left out included."""
        return np.bincount(self.episode, self.weight)

    @property
    def lost(self) -> np.ndarray:
        """(b,) bool, with this step the task ended the episode short of its goal."""
        lost = np.zeros(len(self.episode), bool)
        lost[np.append(self._first[1:], len(lost)) - 1] = self.terminated & ~self.success
        return lost

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return sums over each episode, (E, ...), of values of each step, (b, ...)."""
        weight = self.weight.reshape(-1, *(1,) * (values.ndim - 1))
        return np.add.reduceat(values * weight, self._first, axis=0)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return means over each episode's steps, (E, ...), of values of each step, (b, ...)."""
        length = self.length.reshape(-1, *(1,) * (values.ndim - 1))
        return self.sums(values) / length

    def head(self, count: int) -> Episodes:
        """Return the first ``count`` episodes, or all if there are fewer."""
        steps = self.episode < count
        return Episodes(
            self.transitions.take(np.flatnonzero(steps)),
            self.episode[steps],
            self.weight[steps],
            self.terminated[:count],
            self.success[:count],
            self.fitness[:count],
        )

    def thinned(self, steps: int, rng: np.random.Generator) -> Episodes:
        """Keep at most ``steps`` steps of each episode, which stand for all of them.

        The last step is kept for itself, since what ends an episode is like no other step.
        The rest is cut into stretches of equal length, and one step is drawn of each:
        evenly spaced steps would fall into step with a gait.

        Args:
          steps: at least 2.
          rng: draws the steps.
        """
        kept, weight = [], []
        for mine in np.split(np.arange(len(self.episode)), self._first[1:]):
            parts = min(steps, len(mine)) - 1
            stretches = np.array_split(mine[:-1], parts) if parts else []
            for stretch in (*stretches, mine[-1:]):
                kept.append(stretch[rng.integers(len(stretch))])
                weight.append(self.weight[stretch].sum())
        return replace(
            self,
            transitions=self.transitions.take(np.array(kept)),
            episode=self.episode[kept],
            weight=np.array(weight),
        )

    @property
    def _first(self) -> np.ndarray:
        """(E,) each episode's first step."""
        return np.searchsorted(self.episode, np.arange(len(self)))
