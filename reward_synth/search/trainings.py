"""Trainings of a run: a generation's candidates, and the final comparison. Imports JAX."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from reward_synth.feedback.annotations import Annotation
from reward_synth.feedback.evidence import evidence_of
from reward_synth.feedback.reflection import reflect
from reward_synth.feedback.remarks import Trace, remarks
from reward_synth.feedback.scores import Score, human_normalized, joined, score
from reward_synth.files import cache_folder
from reward_synth.looks.steps import Looks
from reward_synth.records import Rejection, Stage
from reward_synth.reward.rewards import Reward, expert_reward, looks_reward, sparse_reward
from reward_synth.reward.screen import Registry
from reward_synth.reward.transforms.caps import Caps
from reward_synth.rollout.episodes import Rollouts, evaluate, fitness_of, violations
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.costs import Costs, TaskFacts
from reward_synth.search.fitting import fitted
from reward_synth.search.listener import Comparison
from reward_synth.search.looks import Eyes
from reward_synth.search.preselection import preselect
from reward_synth.search.rungs import Ladder
from reward_synth.search.screening import Screening
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import Spent
from reward_synth.search.strategies import strategy_of
from reward_synth.search.training_process import OnProgress
from reward_synth.search.transforms import as_trained, caps_of, composition
from reward_synth.task.task import Task
from reward_synth.train import job, sb3
from reward_synth.train.history import History, read_history
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member
from reward_synth.train.progress import Progress
from reward_synth.train.race import Race

ROLLOUT = "rollout.npz"


@dataclass(frozen=True)
class Trainer:
    """Trains, evaluates and writes down; everything it needs to know of the run.

    Attributes:
      whole: the task.
      task: the same as the search may know it; see ``Task.unmeasured``.
      config, folder: of the run.
      on_progress: told how far a training is.
    """

    whole: Task
    task: Task
    config: RunConfig
    folder: Path
    on_progress: OnProgress
    eyes: Eyes | None = None

    @property
    def looks(self) -> Looks | None:
        """Who scores pictures, if anybody does."""
        return None if self.eyes is None else self.eyes.looks

    def close(self) -> None:
        """End what was started to score pictures."""
        if self.eyes is not None:
            self.eyes.close()

    @cached_property
    def screening(self) -> Screening:
        """The run's screens."""
        shared = None
        if self.config.search.remember:
            folder = cache_folder() / "exploits"
            shared = Registry.open(folder, self.task.fingerprint, self.task.description)
        return Screening(self.task, self.config, self.folder, shared, self.looks)

    @cached_property
    def costs(self) -> Costs:
        """What trainings take."""
        return Costs(self.config, self.facts())

    def facts(self) -> TaskFacts:
        """Return what the loop needs to know of the task."""
        task = self.task
        return TaskFacts(
            description=task.description,
            fingerprint=task.fingerprint,
            folder=str(task.folder),
            train_steps=task.train_steps,
            has_expert=task.expert_reward is not None,
        )

    def explore(self) -> None:
        """Make the random actions that rewards are screened on; see ``Screening.explored``."""
        self.screening.explored()

    def screen(
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate]
    ) -> list[Candidate]:
        """Judge a generation before it is trained; see ``Screening.screen``."""
        return self.screening.screen(candidates, earlier)

    def preselect(
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate], places: int
    ) -> list[Candidate]:
        """Pass over all but ``places`` of a generation; see ``preselect``."""
        return preselect(self.screening, candidates, earlier, places)

    def distances(self, candidates: Sequence[Candidate]) -> dict[str, list]:
        """Return how far rewards are apart; see ``Screening.distances``."""
        return self.screening.distances(candidates)

    def generation(
        self, candidates: Sequence[Candidate], ladder: Ladder, checkpoint: str
    ) -> tuple[list[Candidate], Spent]:
        """Train and score a generation's traced candidates, in a race if the ladder has rungs.

        Args:
          candidates: of one generation.
          ladder: when the race is cut.
          checkpoint: file in the run folder from which a training that was stopped goes on.

        Returns:
          All the candidates, with their standings, and what it took. Who finished has a
          score and a reflection, or a rejection.
        """
        began = time.monotonic()
        number = candidates[0].generation
        done = list(candidates)
        chosen: list[int] = []
        rewards: list[Reward] = []
        for k, candidate in enumerate(candidates):
            if not candidate.trains:
                continue
            reward = self._reward(candidate)
            if isinstance(reward, Rejection):
                done[k] = candidate.rejected(reward)
            else:
                chosen.append(k)
                rewards.append(reward)
        seed = self.config.seed
        folders = [self.folder / candidates[k].folder for k in chosen]
        members = [
            Member(
                reward,
                derive_seed(seed, "train", candidates[k].id),
                self._caps(candidates[k], reward),
            )
            for k, reward in zip(chosen, rewards, strict=True)
        ]
        race = self.costs.race(len(chosen), ladder, self._wildcards(number, len(chosen)))
        results, histories = self._train(
            members, folders, self.costs.search_steps, self.folder / checkpoint, race
        )
        standings = race.standings(histories)
        for i, k in enumerate(chosen):
            done[k] = replace(
                done[k],
                standings=standings[i],
                wildcard=bool(race.rungs) and i in race.wildcards,
                composition=composition(members[i]),
            )
            result = results[i]
            if isinstance(result, Rejection):
                done[k] = done[k].rejected(result)
        finished = [i for i, k in enumerate(chosen) if done[k].trains and not done[k].cut]
        rollouts, evaluated = self._evaluate(
            [rewards[i] for i in finished],
            [results[i] for i in finished],
            [folders[i] for i in finished],
            [derive_seed(seed, "evaluate")] * len(finished),
            self.config.search.episodes,
        )
        for i, rollout in zip(finished, rollouts, strict=True):
            k = chosen[i]
            done[k] = self._scored(done[k], rollout, histories[i])
        return done, self._spent(began, histories, evaluated)

    def sight(self, candidates: Sequence[Candidate]) -> dict[str, tuple[float, ...]]:
        """Return what a synthetic teacher sees of scored candidates: their true fitness, by id.

        For each step, the mean over the held-out episodes of the first training: what is trained
        later changes no answer. The task's own fitness counts, also where the search may not
        know it.
        """
        loaded = {c.id: self.screening.rollouts(c) for c in candidates}
        return {id: tuple(fitness_of(self.whole, r).mean(1).tolist()) for id, r in loaded.items()}

    def remarks(
        self, said: Sequence[Annotation], candidates: Sequence[Candidate]
    ) -> dict[str, str]:
        """Return what was said in words of scored candidates; see ``feedback.remarks``."""
        about = {id for one in said for id in one.candidates}
        traces = {c.id: self._trace(c) for c in candidates if c.id in about}
        return remarks(said, traces)

    def fits(
        self,
        said: Sequence[Annotation],
        candidates: Sequence[Candidate],
        leaders: Sequence[Candidate],
    ) -> dict[str, list[float]]:
        """Fit the leaders' weights to what was said of scored candidates; see ``fitted``."""
        about = {id for one in said for id in one.candidates}
        rewards = {c.id: r for c in leaders if isinstance(r := self._reward(c), Reward)}
        seen = {c.id: self.screening.rollouts(c) for c in candidates if c.id in about}
        return fitted(rewards, seen, said)

    def _trace(self, candidate: Candidate) -> Trace:
        """Return the terms over the episode that its video shows."""
        rollouts = self.screening.rollouts(candidate)
        shown = rollouts.typical
        values = rollouts.terms[: rollouts.length[shown], shown]
        return Trace(candidate.terms, values, self.task.description.timestep)

    def rerun(
        self, candidates: Sequence[Candidate], checkpoint: str
    ) -> tuple[list[Candidate], Spent]:
        """Train scored candidates once more, from scratch with a seed that is new to each.

        Returns:
          The candidates with the new training in their scores, and what it took.
        """
        began = time.monotonic()
        rewards = [reward for c in candidates if isinstance(reward := self._reward(c), Reward)]
        assert len(rewards) == len(candidates), "a candidate was scored whose reward is broken"
        counts = [len(c.score.trainings) if c.score else 0 for c in candidates]
        places = list(zip(candidates, counts, strict=True))
        folders = [self.folder / c.folder / f"training_{count}" for c, count in places]
        results, histories = self._train(
            [
                Member(
                    reward,
                    derive_seed(self.config.seed, "train", c.id, count),
                    self._caps(c, reward),
                )
                for reward, (c, count) in zip(rewards, places, strict=True)
            ],
            folders,
            self.costs.search_steps,
            self.folder / checkpoint,
        )
        rollouts, evaluated = self._evaluate(
            rewards,
            results,
            folders,
            [derive_seed(self.config.seed, "evaluate", count) for count in counts],
            self.config.search.episodes,
        )
        done = []
        for candidate, rollout in zip(candidates, rollouts, strict=True):
            assert candidate.score is not None
            new = _score(self.task, [rollout]) if rollout is not None else None
            # A reward that fails with another seed is worth what its worst training was.
            if new is None or not math.isfinite(new.fitness):
                worst = min(candidate.score.trainings)
                new = replace(candidate.score, fitness=worst, trainings=(worst,))
            done.append(replace(candidate, score=joined(candidate.score, new)))
        return done, self._spent(began, histories, evaluated)

    def comparison(self, best: Candidate) -> tuple[Comparison, Spent]:
        """Train the best, the expert and the sparse reward from scratch with fresh seeds.

        All is decided by then, so the task's fitness may be known.
        """
        if self.task is not self.whole:
            return replace(self, task=self.whole).comparison(best)
        began = time.monotonic()
        found = self._reward(best)
        assert isinstance(found, Reward), found
        caps = self._caps(best, found)
        rewards = {"found": found}
        if self.task.expert_reward is not None:
            rewards["expert"] = expert_reward(self.task)
        if self.looks is not None:
            rewards["looks"] = looks_reward(self.task)
        rewards["sparse"] = sparse_reward(self.task)
        count, seed = self.config.final.trainings, self.config.seed
        places = [(name, i) for name in rewards for i in range(count)]
        # Paired: the i-th training of each reward has the same seed and the same test episodes.
        folders = [self.folder / "final" / name / f"seed_{i}" for name, i in places]
        results, histories = self._train(
            [
                Member(
                    rewards[name], derive_seed(seed, "final", i), caps if name == "found" else None
                )
                for name, i in places
            ],
            folders,
            self.costs.final_steps,
            self.folder / "final" / "checkpoint.npz",
        )
        rollouts, evaluated = self._evaluate(
            [rewards[name] for name, _ in places],
            results,
            folders,
            [derive_seed(seed, "final episodes", i) for _, i in places],
            self.config.final.episodes,
        )
        scores = {}
        for name in rewards:
            mine = [
                rollout
                for (owner, _), rollout in zip(places, rollouts, strict=True)
                if owner == name and rollout is not None
            ]
            if mine:
                scores[name] = _score(self.task, mine)
        expert = scores.get("expert")
        normalized = (
            human_normalized(scores["found"], expert, scores["sparse"])
            if expert and {"found", "sparse"} <= set(scores)
            else None
        )
        comparison = Comparison(self.costs.final_steps, scores, normalized)
        return comparison, self._spent(began, histories, evaluated)

    def _train(
        self,
        members: Sequence[Member],
        folders: Sequence[Path],
        steps: int,
        checkpoint: Path,
        race: Race | None = None,
    ) -> tuple[list[Policy | Rejection], list[list[dict[str, Any]]]]:
        """Train from scratch; return what became of each member, and its iterations."""
        if not members:
            return [], []

        def on_iteration(done: int, progress: Sequence[Progress | None]) -> None:
            fitness = [p.fitness for p in progress if p and math.isfinite(p.fitness)]
            self.on_progress(done, max(fitness, default=math.nan))

        if self.looks is not None:
            self.on_progress(0, math.nan)  # pictures come before the first iteration's news
        results = train_with(self.config.trainer, self.config.backend, race, self.looks)(
            self.task,
            members,
            folders,
            self.config.train,
            steps,
            checkpoint=checkpoint,
            threads=self.config.threads,
            checkpoint_s=self.config.checkpoint_s,
            on_iteration=on_iteration,
        )
        return results, [read_history(folder) for folder in folders]

    def _spent(self, began: float, histories: Sequence[History], evaluated: int) -> Spent:
        """Return what trainings and the held-out episodes after them took."""
        trained = sum(map(len, histories)) * self.config.train.batch
        return Spent(env_steps=trained + evaluated, seconds=time.monotonic() - began)

    def _evaluate(
        self,
        rewards: Sequence[Reward],
        results: Sequence[Policy | Rejection],
        folders: Sequence[Path],
        seeds: Sequence[int],
        episodes: int,
    ) -> tuple[list[Rollouts | None], int]:
        """Run held-out episodes of the policies; the last value is the steps that it took."""
        rollouts: list[Rollouts | None] = [None] * len(results)
        trained = [(k, result) for k, result in enumerate(results) if isinstance(result, Policy)]
        if not trained:
            return rollouts, 0
        found = evaluate(
            self.task,
            [policy for _, policy in trained],
            [rewards[k] for k, _ in trained],
            [seeds[k] for k, _ in trained],
            episodes,
            threads=self.config.threads,
            looks=self.looks,
        )
        for (k, _), rollout in zip(trained, found, strict=True):
            rollout.save(folders[k] / ROLLOUT)
            rollouts[k] = rollout
        return rollouts, sum(int(rollout.length.sum()) for rollout in found)

    def _wildcards(self, generation: int, members: int) -> frozenset[int]:
        drawn = derive_seed(self.config.seed, "wildcard", generation)
        return frozenset({drawn % members} if members else ())

    def _reward(self, candidate: Candidate) -> Reward | Rejection:
        """Load a candidate's reward as it is trained on, or say why there is none."""
        reward = self.screening.reward(candidate)
        if isinstance(reward, Rejection):
            return reward
        return as_trained(reward, self.config, self.task)

    def _caps(self, candidate: Candidate, reward: Reward) -> Caps | None:
        return caps_of(candidate, reward, self.config, self.task, self.folder)

    def _scored(self, candidate: Candidate, rollouts: Rollouts | None, curve: History) -> Candidate:
        assert rollouts is not None
        measured = self.config.feedback.fitness
        values = rollouts.episode_fitness if measured else rollouts.episode_return
        if not np.isfinite(values).all():
            return candidate.rejected(
                Rejection(Stage.TRAIN, "the final policy drives the simulation to NaN.")
            )
        peaks = [line["fitness"] for line in curve if line["fitness"] is not None]
        result = replace(_score(self.task, [rollouts]), peak=max(peaks, default=None))
        description = self.task.description
        evidence = evidence_of(rollouts, curve, result, candidate.terms, description)
        blind = strategy_of(self.config.search.strategy).blind or not measured
        return replace(candidate, score=result, reflection=reflect(evidence, blind=blind))


def train_with(
    trainer: str, backend: str = "cpu", race: Race | None = None, looks: Looks | None = None
) -> Callable[..., list[Policy | Rejection]]:
    """Return the trainer's ``train``, all of which have ``train.job.train``'s contract."""
    if trainer == "jax":
        return partial(job.train, backend=backend, race=race, looks=looks)
    sb3.require()
    from reward_synth.train.sb3 import job as sb3_job

    return sb3_job.train


def _score(task: Task, rollouts: Sequence[Rollouts]) -> Score:
    return score(
        [r.episode_fitness for r in rollouts],
        [r.success for r in rollouts],
        [r.length for r in rollouts],
        violations=violations(task, rollouts),
    )
