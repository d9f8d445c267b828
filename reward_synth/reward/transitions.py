"""Steps without their order: what rewards are measured and compared on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reward_synth.reward.rewards import Reward

# As many as PPO's default batch: a reward that was compiled for one is compiled for the other.
STEPS_AT_ONCE = 2048

_ARRAYS = ("state", "action", "next_state")


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """b steps, in any order.

    Attributes:
      state: (b, S) float32.
      action: (b, A) in [-1, 1].
      next_state: (b, S) the true next states, also where an episode ended.
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray

    def __len__(self) -> int:
        return len(self.state)

    @classmethod
    def join(cls, parts: Sequence[Transitions]) -> Transitions:
        """Return the steps of all parts, one part after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in _ARRAYS))

    def take(self, indices: np.ndarray) -> Transitions:
        """Return the steps at these places, as often as they are named."""
        return Transitions(self.state[indices], self.action[indices], self.next_state[indices])

    def sample(self, count: int, rng: np.random.Generator) -> Transitions:
        """Draw ``count`` steps, each at most once; all of them if there are fewer."""
        return self.take(rng.permutation(len(self))[:count])


def batches(transitions: Transitions) -> Iterator[tuple[Transitions, int]]:
    """Yield the steps ``STEPS_AT_ONCE`` at a time, and how many count of each batch.

    The last repeats some, to fill up: nothing is compiled for its length.
    """
    for start in range(0, len(transitions), STEPS_AT_ONCE):
        count = min(STEPS_AT_ONCE, len(transitions) - start)
        some = [getattr(transitions, name)[start : start + count] for name in _ARRAYS]
        if count < STEPS_AT_ONCE:
            some = [np.resize(array, (STEPS_AT_ONCE, array.shape[1])) for array in some]
        yield Transitions(*some), count


def measure(
    reward: Reward, transitions: Transitions, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a reward's value, (b,), and its terms, (b, T), for each step.

    Args:
      reward: the reward.
      transitions: b steps.
      weights: (W,) in place of the reward's own.
    """
    weights = reward.weights if weights is None else weights
    values, terms = [np.zeros(0, np.float32)], [np.zeros((0, len(reward.terms)), np.float32)]
    for some, count in batches(transitions):
        of_steps, of_terms = reward.function(some.state, some.action, some.next_state, weights)
        values.append(np.asarray(of_steps)[:count])
        terms.append(np.asarray(of_terms)[:count])
    return np.concatenate(values), np.concatenate(terms)
