"""A race: members train side by side, and after each rung the hindmost are left behind.

Successive halving (Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification") on
trainings that are continued, never begun again. All of it follows from the members' histories,
so that a job that was killed cuts the same members when it is continued. Imports no JAX.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_synth.train.history import History

_LATEST = 1 / 6  # of the training so far; longer means order candidates worse (docs/log.md)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a member stood at a rung.

    Attributes:
      steps: environment steps that it had trained for.
      fitness: of an episode, projected from the latest sixth of its training.
      low: one standard error below; what the cut goes by.
      kept: whether it trained on.
    """

    steps: int
    fitness: float
    low: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Race:
    """When members are left behind.

    Attributes:
      rungs: (iteration, number of members that train on), in order.
      wildcards: members that train to the end however they stand.
      batch: environment steps of an iteration of one member.
      episode_steps: of a full episode.
    """

    rungs: tuple[tuple[int, int], ...]
    wildcards: frozenset[int]
    batch: int
    episode_steps: int

    @classmethod
    def plan(
        cls,
        members: int,
        iterations: int,
        rungs: Sequence[float],
        keep: Sequence[float],
        wildcards: frozenset[int],
        batch: int,
        episode_steps: int,
    ) -> Race:
        """Put shares in numbers; rungs that fall together, or on the end, are one, or none."""
        planned: dict[int, int] = {}
        for share, kept in zip(rungs, keep, strict=True):
            iteration = max(1, round(share * iterations))
            if iteration < iterations:
                planned[iteration] = max(1, round(kept * members))
        return cls(tuple(sorted(planned.items())), wildcards, batch, episode_steps)

    def steps(self, members: int, iterations: int) -> int:
        """Return the environment steps that all members take together, at the most."""
        total, running, at = 0, members, 0
        for iteration, kept in (*self.rungs, (iterations, 0)):
            total += running * (iteration - at) * self.batch
            running, at = min(running, kept + len(self.wildcards)), iteration
        return total

    def finishers(self, members: int) -> int:
        """Return how many members train to the end, at the most."""
        return min([members, *(kept + len(self.wildcards) for _, kept in self.rungs)])

    def standings(self, histories: Sequence[History]) -> list[tuple[Standing, ...]]:
        """Return each member's standings at the rungs that all who run on have reached.

        A member whose history ends before a rung was dropped, and has none there. Where
        nothing tells the members apart, as where success counts and nobody has succeeded,
        none is left behind.
        """
        found: list[list[Standing]] = [[] for _ in histories]
        running = set(range(len(histories)))
        for iteration, kept in self.rungs:
            running = {k for k in running if len(histories[k]) >= iteration}
            levels = {k: self._level(histories[k][:iteration]) for k in running}
            ahead = self._ahead(levels, kept)
            for k, (fitness, low) in levels.items():
                standing = Standing(iteration * self.batch, fitness, low, kept=k in ahead)
                found[k].append(standing)
            running = ahead
        return [tuple(standings) for standings in found]

    def _ahead(self, levels: Mapping[int, tuple[float, float]], kept: int) -> set[int]:
        """Return who trains on: the best lower bounds, and the wildcards among them."""
        lows = {k: low for k, (_, low) in levels.items()}
        if len(set(levels.values())) <= 1:
            return set(levels)
        best = sorted(lows, key=lambda k: (-lows[k], k))[:kept]
        return set(best) | (self.wildcards & set(levels))

    def _level(self, history: History) -> tuple[float, float]:
        """Return the fitness of an episode and a lower bound, from the latest part of a history.

        Few episodes end early in training, so their fitness is projected: the mean fitness of
        a step times the steps that an episode lasts at the present rate of terminations.
        """
        latest = history[-max(2, round(_LATEST * len(history))) :]
        projected = np.array([self._projected(progress) for progress in latest])
        mean = float(projected.mean())
        if len(projected) < 2:
            return mean, mean
        return mean, mean - float(projected.std(ddof=1)) / math.sqrt(len(projected))

    def _projected(self, progress: Mapping[str, Any]) -> float:
        hazard = progress["ends"]["terminated"] / self.batch
        limit = self.episode_steps
        length = (1.0 - (1.0 - hazard) ** limit) / hazard if hazard > 0.0 else limit
        return progress["step_fitness"] * length
