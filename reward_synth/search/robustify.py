"""The second stage of a run: its winner's reward, trained on in worlds that differ. Imports JAX.

After Ma et al. (2024), "DrEureka": how far each physical quantity goes before the winner fails is
measured (the reward-aware physics prior), and bounds are chosen from that. Unlike there, policies
are not trained within them from scratch: each is trained in the model as it is, and then trained on
as long, once in worlds that differ and once, beside it, in the model as it still is. So the two
differ by the worlds alone, and not by the luck of two trainings. Both meet the same perturbations.
Every step is a job in the run's store, so that what was done is done once.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reward_synth.deploy.stress import Curve, Level, Stress
from reward_synth.deploy.sweep import LEVELS, act_of, left_out, spread_of, sweep
from reward_synth.errors import BudgetError, ModelError, RunError
from reward_synth.feedback.scores import interval
from reward_synth.files import write_text
from reward_synth.propose.llm.records import Completion, Request
from reward_synth.propose.ranges import offline_ranges, parse_ranges, ranges_messages
from reward_synth.randomisation import Randomisation
from reward_synth.records import Rejection
from reward_synth.reward.rewards import Reward, traced_reward
from reward_synth.search.budget import Budget
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.models import models_of
from reward_synth.search.proposals import load_traced
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import Spent, Store
from reward_synth.search.transforms import as_trained, caps_of
from reward_synth.task.task import Task
from reward_synth.train.history import read_history
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member

KINDS = ("nominal", "robustified")
FOLDER = "robust"
SLOWER = 0.3  # times the learning rate, where a policy that can do something learns on


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is done.

    Attributes:
      trainings: from scratch, in the model as it is.
      steps: environment steps of each.
      more: environment steps of each of the two that continue it.
      episodes: in each world.
    """

    trainings: int
    steps: int
    more: int
    episodes: int

    @property
    def name(self) -> str:
        """Of the jobs and the folder: other settings are another comparison."""
        return f"{FOLDER}/{self.trainings}x{self.steps}+{self.more}_{self.episodes}"


@dataclass(frozen=True, slots=True)
class Row:
    """How both kinds of policies did in some of the worlds.

    Attributes:
      name: "nominal", a perturbation's, "inside" for those of all perturbations' worlds that lie
        within the bounds, "outside" for the others, or "all" for both together.
      fitness: for "nominal" and "robustified", each training's mean over these worlds.
    """

    name: str
    fitness: Mapping[str, tuple[float, ...]]

    @property
    def difference(self) -> tuple[float, float, float]:
        """Robustified minus nominal, with the 95% interval over trainings that share a seed."""
        gaps = np.subtract(self.fitness["robustified"], self.fitness["nominal"])
        return float(gaps.mean()), *interval(gaps)


@dataclass(frozen=True, slots=True)
class Robustness:
    """What came of it.

    Attributes:
      candidate: id of the winner.
      settings: how it was done.
      ranges: between which worlds differed.
      author: who chose them: a model's name, or "offline".
      tests: for "nominal" and "robustified", the stress test of its trainings together; its
        intervals are over trainings.
      rows: fitness in the model as it is, in the worlds of each perturbation, and in all of these,
        within the bounds and outside.
    """

    candidate: str
    settings: Settings
    ranges: Randomisation
    author: str
    tests: Mapping[str, Stress]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The second stage of one run.

    Attributes:
      store: the run's, open.
      config: the run's.
      task: the run's, without randomisation.
      best: the run's winner.
      place: relative to the run's folder, where its policy is.
      settings: how it is done.
      budget: the run's.
      say: told what is done, a line each.
    """

    store: Store
    config: RunConfig
    task: Task
    best: Candidate
    place: str
    settings: Settings
    budget: Budget
    say: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """Where policies and results go."""
        return self.store.folder / self.settings.name

    def run(self) -> Robustness:
        """Do what is not done yet.

        Raises:
          BudgetError: the run's budget does not allow it.
          RunError: the winner's reward cannot be trained on any more.
        """
        priors = self._priors()
        ranges, author = self._ranges(priors)
        self.say(f"worlds differ, as chosen by {author}: {ranges.words}")
        worlds = {"nominal": None, "robustified": ranges}
        begun = self._train("begun", None, [None] * self.settings.trainings, self.settings.steps)
        policies = {
            kind: self._train(kind, worlds[kind], begun, self.settings.more) for kind in KINDS
        }
        tests = {kind: self._test(kind, policies[kind]) for kind in KINDS}
        found = compare(self.best.id, self.settings, ranges, author, tests)
        write_text(self.folder / "robustness.json", json.dumps(to_json(found), indent=1))
        return found

    def _priors(self) -> Stress:
        """Return how far the winner goes before it fails."""
        job = f"{FOLDER}/priors_{self.settings.episodes}"
        policy = Policy.load(self.store.folder / self.place / "policy.npz")
        return self._sweeps(job, [policy], f"the winner {self.best.id}", "priors")[0]

    def _ranges(self, priors: Stress) -> tuple[Randomisation, str]:
        """Return between which bounds worlds are to differ, and who says so."""
        job = f"{self.settings.name}/ranges"
        saved = self.store.job(job)
        if saved is None:
            found, author = self._ask(priors)
            saved = {"ranges": asdict(found), "author": author}
            self.store.finish_job(job, saved, "robustness", Spent())
        given = {name: tuple(x) for name, x in saved["ranges"].items() if x is not None}
        return Randomisation(**given), saved["author"]

    def _ask(self, priors: Stress) -> tuple[Randomisation, str]:
        """Have the run's language model choose; the rule does where there is none, or no use."""
        try:
            models, _ = models_of(self.config, os.environ, self.budget, self.store)
            if not models:
                return offline_ranges(priors), "offline"
            assert self.best.program is not None
            messages = ranges_messages(self.task.description, self.best.program.source, priors)
            model = models[0]
            self.budget.title = self.settings.name
            requests = [Request(messages, sample=0)]
            (answer,) = asyncio.run(
                model.complete(requests, lambda _, answer: self.budget.on_answer(answer))
            )
        except ModelError as error:
            self.say(f"no language model answers, so a rule chooses: {error}")
            return offline_ranges(priors), "offline"
        answered = isinstance(answer, Completion)
        found = parse_ranges(answer.text, priors) if answered else answer.reason
        if isinstance(found, Randomisation):
            return found, model.name
        self.say(f"the language model's answer is of no use ({found}), so a rule chooses")
        return offline_ranges(priors), "offline"

    def _train(
        self,
        name: str,
        ranges: Randomisation | None,
        starts: Sequence[Policy | None],
        steps: int,
    ) -> list[Policy]:
        """Return policies trained in worlds that differ within ``ranges``, one for each start."""
        job, count = f"{self.settings.name}/train/{name}", len(starts)
        folders = [self.folder / name / f"seed_{i}" for i in range(count)]
        if self.store.job(job) is None:
            task = replace(self.task, randomisation=ranges)
            continued = starts[0] is not None
            self._afford(count * steps)
            how = "continued" if continued else "from scratch"
            self.say(f"{name}: {count} trainings {how}, {steps:,} steps each")
            reward, began, config = self._reward(), time.monotonic(), self.config
            caps = caps_of(self.best, reward, config, self.task, self.store.folder)
            # The two that continue the same share their seed.
            purpose = f"{FOLDER}/on" if continued else FOLDER
            seeds = [derive_seed(config.seed, purpose, i) for i in range(count)]
            rate = config.train.learning_rate * (SLOWER if continued else 1.0)
            results = train(
                task,
                [Member(reward, *each) for each in zip(seeds, [caps] * count, starts, strict=True)],
                folders,
                replace(config.train, learning_rate=rate),
                steps,
                checkpoint=self.folder / f"{name}.npz",
                threads=config.threads,
                backend=config.backend,
                checkpoint_s=config.checkpoint_s,
                on_iteration=lambda done, progress: self.budget.check_seconds(),
            )
            for result in results:
                if isinstance(result, Rejection):
                    raise RunError(f"{self.best.id} fails with another seed: {result.reason}")
            taken = sum(len(read_history(folder)) for folder in folders) * config.train.batch
            spent = Spent(env_steps=taken, seconds=time.monotonic() - began)
            self.store.finish_job(job, True, "robustness", spent)
        return [Policy.load(folder / "policy.npz") for folder in folders]

    def _reward(self) -> Reward:
        try:
            reward = traced_reward(load_traced(self.best, self.store.folder), self.task)
        except FileNotFoundError as error:
            raise RunError(f"{error.filename} is gone: the winner cannot be trained.") from error
        if isinstance(reward, Rejection):
            raise RunError(f"the winner's reward cannot be read: {reward.reason}")
        return as_trained(reward, self.config, self.task)

    def _test(self, kind: str, policies: Sequence[Policy]) -> list[Stress]:
        """Return the stress test of each policy, all in the same worlds and units of noise."""
        return self._sweeps(f"{self.settings.name}/test/{kind}", policies, kind, "test")

    def _sweeps(
        self, job: str, policies: Sequence[Policy], name: str, purpose: str
    ) -> list[Stress]:
        saved = self.store.job(job)
        if saved is None:
            worlds = 1 + sum(
                len(LEVELS[name]) for name in LEVELS if name not in left_out(self.task)
            )
            steps = worlds * self.settings.episodes * self.task.description.episode_steps
            self._afford(len(policies) * steps)
            self.say(f"{name}: {len(policies)} in {worlds} worlds")
            began = time.monotonic()
            winner = Policy.load(self.store.folder / self.place / "policy.npz")
            found = [
                sweep(
                    self.task,
                    act_of(policy),
                    spread_of(winner),
                    policy=name,
                    seed=derive_seed(self.config.seed, FOLDER, purpose),
                    episodes=self.settings.episodes,
                    threads=self.config.threads,
                )
                for policy in policies
            ]
            saved = [one.to_json() for one in found]
            spent = Spent(
                env_steps=sum(one.env_steps for one in found), seconds=time.monotonic() - began
            )
            self.store.finish_job(job, saved, "robustness", spent)
        return [Stress.from_json(one) for one in saved]

    def _afford(self, steps: int) -> None:
        if not self.budget.allows(steps):
            raise BudgetError(
                f"it takes up to {steps:,} more environment steps, more than the run's budget "
                "leaves."
            )


def compare(
    candidate: str,
    settings: Settings,
    ranges: Randomisation,
    author: str,
    tests: Mapping[str, Sequence[Stress]],
) -> Robustness:
    """Put each training's stress test together, and set the one kind beside the other."""
    first = next(iter(tests.values()))[0]
    levels = [(name, level.value) for name, level in first.levels()]
    inside = {place: _within(ranges, *place) for place in levels}
    groups: dict[str, list[tuple[str, float]]] = {
        **{c.name: [place for place in levels if place[0] == c.name] for c in first.curves},
        "inside": [place for place in levels if inside[place]],
        "outside": [place for place in levels if not inside[place]],
        "all": levels,
    }
    rows = [Row("nominal", {k: tuple(t.nominal.fitness for t in x) for k, x in tests.items()})]
    rows += [
        Row(name, {kind: tuple(_mean(one, group) for one in mine) for kind, mine in tests.items()})
        for name, group in groups.items()
        if group
    ]
    together = {kind: pooled(mine) for kind, mine in tests.items()}
    return Robustness(candidate, settings, ranges, author, together, tuple(rows))


def _within(ranges: Randomisation, name: str, value: float) -> bool:
    bounds = getattr(ranges, name)
    return bounds is not None and bounds[0] <= value <= bounds[1]


def _mean(test: Stress, group: Sequence[tuple[str, float]]) -> float:
    """Return a policy's mean fitness over some worlds, by perturbation and value."""
    found = [x.fitness for name, x in test.levels() if (name, x.value) in group]
    return float(np.mean(found))


def pooled(tests: Sequence[Stress]) -> Stress:
    """Return one stress test of several trainings, whose intervals are over trainings."""
    first = tests[0]
    if len(tests) == 1:
        return first
    curves = tuple(
        Curve(
            curve.name, tuple(map(_pooled, zip(*(t.curves[i].levels for t in tests), strict=True)))
        )
        for i, curve in enumerate(first.curves)
    )
    return replace(
        first,
        nominal=_pooled([test.nominal for test in tests]),
        curves=tuple(curves),
        env_steps=sum(test.env_steps for test in tests),
    )


def _pooled(levels: Sequence[Level]) -> Level:
    fitness, success = (np.array([getattr(x, n) for x in levels]) for n in ("fitness", "success"))
    low, high = interval(fitness)
    worst, best = np.clip(interval(success), 0.0, 1.0)
    return Level(
        value=levels[0].value,
        fitness=float(fitness.mean()),
        low=low,
        high=high,
        success=float(success.mean()),
        success_low=float(worst),
        success_high=float(best),
        length=float(np.mean([x.length for x in levels])),
    )


def to_json(found: Robustness) -> dict[str, Any]:
    """Return a JSON-ready dictionary."""
    return {
        "candidate": found.candidate,
        "settings": asdict(found.settings),
        "ranges": asdict(found.ranges),
        "author": found.author,
        "rows": [asdict(row) for row in found.rows],
        "tests": {kind: test.to_json() for kind, test in found.tests.items()},
    }
