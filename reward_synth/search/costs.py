"""What trainings take, in environment steps, before they are begun. Imports no JAX."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reward_synth.records import TaskDescription
from reward_synth.search.config import RunConfig
from reward_synth.search.rungs import Ladder
from reward_synth.search.strategies import strategy_of
from reward_synth.train.race import Race

EXPLORED = 16, 128  # environments of random actions, and steps of each


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a run needs to know of its task without loading it.

    Attributes:
      description: for proposers.
      fingerprint: changes with the task's files.
      folder: the task's, absolute.
      train_steps: environment steps after which a good reward shows.
      has_expert: whether there is a published reward to compare with.
    """

    description: TaskDescription
    fingerprint: str
    folder: str
    train_steps: int
    has_expert: bool


@dataclass(frozen=True, slots=True)
class Costs:
    """Environment steps of a run's parts, evaluation included unless it says otherwise."""

    config: RunConfig
    facts: TaskFacts

    @property
    def search_steps(self) -> int:
        """Of one candidate's training, if it is not cut, without evaluation."""
        return self._whole(self.config.search.steps or self.facts.train_steps)

    @property
    def final_steps(self) -> int:
        """Of each training in the final comparison, without evaluation."""
        steps = self.config.final.steps
        return self.search_steps if steps is None else self._whole(steps)

    @property
    def final_trainings(self) -> int:
        """Number of trainings in the final comparison, all rewards together."""
        rewards = 2 + self.facts.has_expert + self.config.looks.on
        return rewards * self.config.final.trainings

    @property
    def final(self) -> int:
        """Of the final comparison, at the most."""
        return self.final_trainings * (
            self.final_steps + self._held_out(self.config.final.episodes)
        )

    @property
    def oversample(self) -> int:
        """Proposals for each place; none to spare where nothing may be decided by fitness."""
        search = self.config.search
        hidden = strategy_of(search.strategy).blind or not self.config.feedback.fitness
        return 1 if hidden else search.oversample

    @property
    def exploration(self) -> int:
        """Of the random actions that rewards are screened and judged on, once in a run."""
        search = self.config.search
        looks = search.screens or search.duplicates or self.oversample > 1
        return math.prod(EXPLORED) if looks else 0

    def race(
        self, members: int, ladder: Ladder, wildcards: frozenset[int] = frozenset({0})
    ) -> Race:
        """Return a generation's race; Stable-Baselines3 trains one after the other, without one."""
        racing = ladder if self.config.trainer == "jax" else Ladder()
        return Race.plan(
            members,
            self.config.train.iterations(self.search_steps),
            racing.rungs,
            racing.keep,
            wildcards,
            self.config.train.batch,
            self.facts.description.episode_steps,
        )

    def training(self, candidates: int, ladder: Ladder) -> int:
        """Of a generation's race at the most, without evaluation."""
        race = self.race(candidates, ladder)
        return race.steps(candidates, self.config.train.iterations(self.search_steps))

    def generation(self, candidates: int, ladder: Ladder) -> int:
        """Of a generation at the most."""
        finishers = self.race(candidates, ladder).finishers(candidates)
        held_out = finishers * self._held_out(self.config.search.episodes)
        return self.training(candidates, ladder) + held_out

    def rerun(self, candidates: int) -> int:
        """Of training so many candidates again, at the most."""
        return candidates * (self.search_steps + self._held_out(self.config.search.episodes))

    def _held_out(self, episodes: int) -> int:
        return episodes * self.facts.description.episode_steps

    def _whole(self, steps: int) -> int:
        """Round down to whole iterations."""
        return self.config.train.iterations(steps) * self.config.train.batch
