"""What an iteration tells of a member: its progress in numbers, or why it cannot go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from reward_synth.records import Rejection, Stage
from reward_synth.reward.parse import LARGEST_REWARD
from reward_synth.train.ppo import Health


@dataclass(frozen=True, slots=True)
class Progress:
    """One member's iteration in numbers.

    Attributes:
      steps: environment steps so far.
      fitness: mean fitness of the episodes that ended in this iteration, NaN if none did.
      episode_return: their mean sum of rewards, NaN if none ended.
      length: their mean number of steps, NaN if none ended.
      episodes: how many ended.
      ends: how they ended: cause to count.
      step_fitness: mean fitness of the iteration's steps.
      terms: mean of each reward term over the iteration's steps.
      reward_std: standard deviation of the reward over the iteration's steps.
      kl, clipped, entropy, explained_variance, value_loss: see ``ppo.Health``.
      multipliers: of the terms that are capped, see ``reward.transforms.caps``: 0 where a term is
        paid in full, 1 where it is not paid at all.
    """

    steps: int
    fitness: float
    episode_return: float
    length: float
    episodes: int
    ends: dict[str, int]
    step_fitness: float
    terms: dict[str, float]
    reward_std: float
    kl: float
    clipped: float
    entropy: float
    explained_variance: float
    value_loss: float
    multipliers: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the record as JSON has it, which knows no NaN."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def reward_problem(reward: np.ndarray, terms: np.ndarray, names: Sequence[str]) -> Rejection | None:
    """Say why a member's rewards cannot be learned from, or None if they can.

    Args:
      reward: (T, N).
      terms: (T, N, terms).
      names: of the terms.
    """
    bad_terms = [name for i, name in enumerate(names) if not np.isfinite(terms[..., i]).all()]
    if bad_terms:
        return Rejection(
            Stage.TRAIN,
            f"term {bad_terms[0]!r} became infinite or NaN in states that training reached: guard "
            "divisions, square roots, logarithms and powers, and bound exponentials.",
        )
    if not np.isfinite(reward).all():
        return Rejection(
            Stage.TRAIN, "the reward became infinite or NaN although each of its terms was finite."
        )
    if np.abs(reward).max() > LARGEST_REWARD:
        largest = names[int(np.abs(terms).max((0, 1)).argmax())]
        return Rejection(
            Stage.TRAIN,
            f"the reward reached {np.abs(reward).max():.1e}, mostly from term {largest!r}: keep it "
            f"below {LARGEST_REWARD:.0e}, for example by bounding that term.",
        )
    return None


def update_problem(health: Health) -> Rejection | None:
    """Say why a member's update went wrong, or None if it did not."""
    if not all(np.isfinite(float(number)) for number in health):
        return Rejection(Stage.TRAIN, "the policy's update became infinite or NaN.")
    return None


@dataclass(slots=True)
class Tally:
    """Keeps one member's sums over the episodes that are under way.

    Attributes:
      fitness: (N,).
      reward: (N,).
    """

    fitness: np.ndarray
    reward: np.ndarray

    @classmethod
    def start(cls, envs: int) -> Tally:
        """Before the first step of N environments."""
        return cls(np.zeros(envs), np.zeros(envs))

    def progress(
        self,
        *,
        steps: int,
        reward: np.ndarray,
        terms: np.ndarray,
        names: Sequence[str],
        fitness: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        diverged: np.ndarray,
        length: np.ndarray,
        health: Health,
    ) -> Progress:
        """Take in an iteration, arrays of which are (T, N), and put it in numbers.

        Args:
          steps: environment steps so far.
          reward: of each step.
          terms: (T, N, terms) of the reward.
          names: of the terms.
          fitness: of each step.
          terminated: whether the task ended the episode.
          truncated: whether it was cut short.
          diverged: whether because MuJoCo could not continue.
          length: steps of the episode so far.
          health: of the update.
        """
        done = terminated | truncated
        return Progress(
            steps=steps,
            fitness=_mean(episode_sums(fitness, done, self.fitness)),
            episode_return=_mean(episode_sums(reward, done, self.reward)),
            length=_mean(length[done]),
            episodes=int(done.sum()),
            ends={
                "terminated": int(terminated.sum()),
                "time limit": int((truncated & ~diverged).sum()),
                "diverged": int(diverged.sum()),
            },
            step_fitness=float(fitness.mean()),
            terms=dict(zip(names, terms.mean((0, 1)).tolist(), strict=True)),
            reward_std=float(reward.std()),
            kl=float(health.kl),
            clipped=float(health.clipped),
            entropy=float(health.entropy),
            explained_variance=float(health.explained_variance),
            value_loss=float(health.value_loss),
        )


def episode_sums(values: np.ndarray, done: np.ndarray, running: np.ndarray) -> np.ndarray:
    """Sum values over episodes.

    Args:
      values: (T, N).
      done: (T, N) bool, the episode ended with this step.
      running: (N,) sums of the episodes under way, updated in place.

    Returns:
      The sums of the episodes that ended, (episodes,), one environment's after another.
    """
    envs = done.shape[1]
    ended = done.sum(0)
    # Episodes are numbered through: those of environment n begin at first[n], the last goes on.
    first = np.concatenate([[0], np.cumsum(ended + 1)[:-1]])
    number = first + np.cumsum(done, axis=0) - done
    sums = np.bincount(number.ravel(), values.ravel(), minlength=int(ended.sum()) + envs)
    sums[first] += running
    last = first + ended
    running[:] = sums[last]
    return np.delete(sums, last)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
