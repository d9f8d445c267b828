"""What one training leaves behind for the next proposal, in numbers. Imports JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_synth.feedback.contrast import Contrast, contrast, ending
from reward_synth.feedback.scores import Score
from reward_synth.records import TaskDescription
from reward_synth.rollout.episodes import ENDS, Rollouts

_NEAR = 0.02  # of a term's range


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of one trained candidate.

    Attributes:
      terms: names of the reward terms.
      curve: training progress, one ``train.progress.Progress`` a line, as JSON has it.
      score: on held-out episodes.
      episode_fitness: (E,) of these episodes.
      episode_return: (E,) their sums of rewards.
      episode_terms: (E, T) their sums of each term.
      term_range: (T, 2) each term's lowest and highest value in a step, outliers left out.
      at_limit: (T, 2) share of the steps in which it is near the one and the other.
      ends: how they ended: cause to count.
      contrast: what bad episodes have in common; None if they cannot be told from good ones.
      ending: what was sudden about the end of those that ended early, if that were most.
      description: the task.
    """

    terms: tuple[str, ...]
    curve: Sequence[Mapping[str, Any]]
    score: Score
    episode_fitness: np.ndarray
    episode_return: np.ndarray
    episode_terms: np.ndarray
    term_range: np.ndarray
    at_limit: np.ndarray
    ends: Mapping[str, int]
    contrast: Contrast | None
    ending: Contrast | None
    description: TaskDescription


def evidence_of(
    rollouts: Rollouts,
    curve: Sequence[Mapping[str, Any]],
    score: Score,
    terms: tuple[str, ...],
    description: TaskDescription,
) -> Evidence:
    """Return what a training's progress and held-out episodes say.

    Args:
      rollouts: the episodes; their fitness must be finite.
      curve: as in ``Evidence``.
      score: of these episodes, perhaps with those of other trainings.
      terms: names of the reward terms.
      description: of the task.
    """
    fitness = rollouts.episode_fitness
    happened = np.arange(len(rollouts.action))[:, None] < rollouts.length
    early = rollouts.end == ENDS.index("terminated")
    term_range, at_limit = _limits(rollouts.terms[happened])
    return Evidence(
        terms=terms,
        curve=curve,
        score=score,
        episode_fitness=fitness,
        episode_return=rollouts.episode_return,
        episode_terms=rollouts.terms.sum(0),
        term_range=term_range,
        at_limit=at_limit,
        ends={name: int((rollouts.end == i).sum()) for i, name in enumerate(ENDS)},
        contrast=contrast(description, rollouts.state, rollouts.length, rollouts.success, fitness),
        ending=ending(description, rollouts.state[:, early], rollouts.length[early])
        if early.mean() > 0.5
        else None,
        description=description,
    )


def _limits(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the range, (T, 2), of terms, (steps, T), and the shares, (T, 2), near its ends.

    The range is that of the middle 98% of steps, so that one spike of an unbounded penalty does
    not make all others look like none. A term that hardly varies is near both all the time.
    """
    low, high = np.percentile(np.asarray(terms, float), [1, 99], axis=0)
    size = np.maximum(np.abs(low), np.abs(high))
    near = np.where(high - low <= _NEAR * size, np.inf, _NEAR * (high - low))
    shares = (terms <= low + near).mean(0), (terms >= high - near).mean(0)
    return np.stack([low, high], 1), np.stack(shares, 1)
