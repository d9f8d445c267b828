"""Trainings of a run: a generation's candidates, and the final comparison. Imports JAX."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reward_synth.feedback.reflection import Evidence, reflect
from reward_synth.feedback.scores import Score, human_normalized, score
from reward_synth.records import Rejection, Stage
from reward_synth.reward.rewards import Reward, expert_reward, sparse_reward, traced_reward
from reward_synth.reward.transforms.caps import Caps
from reward_synth.rollout.episodes import ENDS, Rollouts, evaluate
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.listener import Comparison
from reward_synth.search.proposals import load_traced
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import Spent
from reward_synth.search.transforms import as_trained, caps_of
from reward_synth.task.task import Task
from reward_synth.train import job, sb3
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member
from reward_synth.train.progress import Progress

# (environment steps done by all members, their best mean fitness just now)
OnProgress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Trainer:
    """Trains, evaluates and writes down; everything it needs to know of the run."""

    task: Task
    config: RunConfig
    folder: Path
    on_progress: OnProgress

    def search_steps(self) -> int:
        """Environment steps that each candidate trains for."""
        return self._whole(self.config.search.steps or self.task.train_steps)

    def final_steps(self) -> int:
        """Environment steps of each training in the final comparison."""
        steps = self.config.final.steps
        return self.search_steps() if steps is None else self._whole(steps)

    def generation_cost(self, candidates: int) -> int:
        """Environment steps that a generation takes at the most."""
        return candidates * (self.search_steps() + self._evaluation(self.config.search.episodes))

    def final_trainings(self) -> int:
        """Number of trainings in the final comparison, all rewards together."""
        return (2 + (self.task.expert_reward is not None)) * self.config.final.trainings

    def final_cost(self) -> int:
        """Environment steps that the final comparison takes at the most."""
        once = self.final_steps() + self._evaluation(self.config.final.episodes)
        return self.final_trainings() * once

    def generation(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], Spent]:
        """Train and score a generation's traced candidates.

        Returns:
          All the candidates, each with a score and a reflection or a rejection,
          and what it took.
        """
        began = time.monotonic()
        loaded = [self._load(candidate) for candidate in candidates]
        chosen = [k for k, reward in enumerate(loaded) if isinstance(reward, Reward)]
        rewards = [reward for reward in loaded if isinstance(reward, Reward)]
        done = [
            candidate.rejected(reward) if isinstance(reward, Rejection) else candidate
            for candidate, reward in zip(candidates, loaded, strict=True)
        ]
        seed = self.config.seed
        folders = [self.folder / candidates[k].folder for k in chosen]
        results, rollouts, steps = self._train(
            [
                Member(
                    reward,
                    derive_seed(seed, "train", candidates[k].id),
                    self._caps(candidates[k], reward),
                )
                for k, reward in zip(chosen, rewards, strict=True)
            ],
            folders,
            self.search_steps(),
            [derive_seed(seed, "evaluate")] * len(chosen),
            self.config.search.episodes,
            self.folder / f"gen_{candidates[0].generation:02d}" / "checkpoint.npz",
        )
        for k, result, rollout, folder in zip(chosen, results, rollouts, folders, strict=True):
            if rollout is None:
                assert isinstance(result, Rejection)
                done[k] = done[k].rejected(result)
            else:
                done[k] = self._scored(done[k], rollout, folder)
        return done, Spent(env_steps=steps, seconds=time.monotonic() - began)

    def comparison(self, best: Candidate) -> tuple[Comparison, Spent]:
        """Train the best, the expert and the sparse reward from scratch with fresh seeds."""
        began = time.monotonic()
        found = self._load(best)
        assert isinstance(found, Reward), found
        caps = self._caps(best, found)
        rewards = {"found": found, "sparse": sparse_reward(self.task)}
        if self.task.expert_reward is not None:
            rewards = {"found": found, "expert": expert_reward(self.task)} | rewards
        count, seed = self.config.final.trainings, self.config.seed
        places = [(name, i) for name in rewards for i in range(count)]
        # Paired: the i-th training of each reward has the same seed and the same test episodes.
        _, rollouts, steps = self._train(
            [
                Member(
                    rewards[name], derive_seed(seed, "final", i), caps if name == "found" else None
                )
                for name, i in places
            ],
            [self.folder / "final" / name / f"seed_{i}" for name, i in places],
            self.final_steps(),
            [derive_seed(seed, "final episodes", i) for _, i in places],
            self.config.final.episodes,
            self.folder / "final" / "checkpoint.npz",
        )
        scores = {}
        for name in rewards:
            mine = [
                rollout
                for (owner, _), rollout in zip(places, rollouts, strict=True)
                if owner == name and rollout is not None
            ]
            if mine:
                scores[name] = _score(mine)
        expert = scores.get("expert")
        normalized = (
            human_normalized(scores["found"], expert, scores["sparse"])
            if expert and {"found", "sparse"} <= set(scores)
            else None
        )
        comparison = Comparison(self.final_steps(), scores, normalized)
        return comparison, Spent(env_steps=steps, seconds=time.monotonic() - began)

    def _train(
        self,
        members: Sequence[Member],
        folders: Sequence[Path],
        steps: int,
        test_seeds: Sequence[int],
        episodes: int,
        checkpoint: Path,
    ) -> tuple[list[Policy | Rejection], list[Rollouts | None], int]:
        """Train, then run held-out episodes; the last value is the environment steps it took."""
        if not members:
            return [], [], 0

        def on_iteration(done: int, progress: Sequence[Progress | None]) -> None:
            fitness = [p.fitness for p in progress if p and math.isfinite(p.fitness)]
            self.on_progress(done * len(members), max(fitness, default=math.nan))

        results = train_with(self.config.trainer, self.config.backend)(
            self.task,
            members,
            folders,
            self.config.train,
            steps,
            checkpoint=checkpoint,
            threads=self.config.threads,
            on_iteration=on_iteration,
        )
        rollouts: list[Rollouts | None] = [None] * len(members)
        trained = [(k, result) for k, result in enumerate(results) if isinstance(result, Policy)]
        taken = steps * len(members)
        if trained:
            found = evaluate(
                self.task,
                [policy for _, policy in trained],
                [members[k].reward for k, _ in trained],
                [test_seeds[k] for k, _ in trained],
                episodes,
                threads=self.config.threads,
            )
            taken += sum(int(rollout.length.sum()) for rollout in found)
            for (k, _), rollout in zip(trained, found, strict=True):
                rollout.save(folders[k] / "rollout.npz")
                rollouts[k] = rollout
        return results, rollouts, taken

    def _load(self, candidate: Candidate) -> Reward | Rejection:
        if candidate.rejection is not None:
            return candidate.rejection
        reward = traced_reward(load_traced(candidate, self.folder), self.task)
        if isinstance(reward, Rejection):
            return reward
        return as_trained(reward, self.config, self.task)

    def _caps(self, candidate: Candidate, reward: Reward) -> Caps | None:
        return caps_of(candidate, reward, self.config, self.task, self.folder)

    def _scored(self, candidate: Candidate, rollouts: Rollouts, folder: Path) -> Candidate:
        fitness = rollouts.episode_fitness
        if not np.isfinite(fitness).all():
            return candidate.rejected(
                Rejection(Stage.TRAIN, "the final policy drives the simulation to NaN.")
            )
        result = _score([rollouts])
        curve: list[dict[str, Any]] = [
            json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        evidence = Evidence(
            terms=candidate.terms,
            curve=curve,
            score=result,
            episode_fitness=fitness,
            episode_return=rollouts.episode_return,
            episode_terms=rollouts.terms.sum(0),
            ends={name: int((rollouts.end == i).sum()) for i, name in enumerate(ENDS)},
            episode_steps=self.task.description.episode_steps,
        )
        return replace(candidate, score=result, reflection=reflect(evidence))

    def _evaluation(self, episodes: int) -> int:
        return episodes * self.task.description.episode_steps

    def _whole(self, steps: int) -> int:
        """Round down to whole iterations."""
        return self.config.train.iterations(steps) * self.config.train.batch


def train_with(trainer: str, backend: str = "cpu") -> Callable[..., list[Policy | Rejection]]:
    """Return the trainer's ``train``, all of which have ``train.job.train``'s contract."""
    if trainer == "jax":
        return partial(job.train, backend=backend)
    sb3.require()
    from reward_synth.train.sb3 import job as sb3_job

    return sb3_job.train


def comparison_json(comparison: Comparison, best: Candidate) -> dict[str, Any]:
    """Return the comparison as it stands in the store."""
    return {
        "best": best.id,
        "steps": comparison.steps,
        "scores": {name: asdict(value) for name, value in comparison.scores.items()},
        "normalized": comparison.normalized,
    }


def comparison_from_json(data: dict[str, Any]) -> Comparison:
    """Rebuild the comparison from ``comparison_json``'s dictionary."""
    scores = {
        name: Score(**{**value, "trainings": tuple(value["trainings"])})
        for name, value in data["scores"].items()
    }
    return Comparison(data["steps"], scores, data["normalized"])


def _score(rollouts: Sequence[Rollouts]) -> Score:
    return score(
        [r.episode_fitness for r in rollouts],
        [r.success for r in rollouts],
        [r.length for r in rollouts],
    )
