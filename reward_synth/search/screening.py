"""A run's screens: what it knows of its task, and what that says of new candidates. Imports JAX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reward_synth.feedback.audit import audited
from reward_synth.files import atomic_write, save_arrays
from reward_synth.looks.steps import Looks
from reward_synth.records import Finding, Rejection, Stage
from reward_synth.reward.canonical import Canonical, Sample, canonical
from reward_synth.reward.compare import distance_matrix
from reward_synth.reward.duplicates import Duplicate, Known, Likeness, find_duplicate
from reward_synth.reward.rewards import Reward, traced_reward
from reward_synth.reward.screen import (
    Episodes,
    Evidence,
    Exploit,
    Registry,
    diagnose,
    screen,
)
from reward_synth.reward.transitions import Transitions
from reward_synth.rollout.episodes import Rollouts
from reward_synth.rollout.explore import explore
from reward_synth.search.candidate import Candidate, best_of
from reward_synth.search.config import RunConfig
from reward_synth.search.costs import EXPLORED
from reward_synth.search.proposals import load_traced
from reward_synth.search.seeds import derive_seed
from reward_synth.task.task import Task

_REMEMBERED = 24  # trained candidates whose episodes rewards are screened on
_STEPS_OF_AN_EPISODE = 48
_COMPARED = {"steps": 2048, "compared": 256, "jumps": 64}


@dataclass(slots=True)
class Screening:
    """Judges candidates before they are trained, from what the run has seen so far.

    Attributes:
      task: the task.
      config: of the run.
      folder: of the run.
      shared: registry of exploits for all runs of the task; None to learn from this run alone.
      looks: who scores pictures, if anybody does.
    """

    task: Task
    config: RunConfig
    folder: Path
    shared: Registry | None
    looks: Looks | None = None
    _samples: dict[int, Sample] = field(init=False, default_factory=dict)
    _forms: dict[tuple[int, str], Canonical] = field(init=False, default_factory=dict)
    _gathered: tuple[int, Evidence] | None = field(init=False, default=None)

    def screen(
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate]
    ) -> list[Candidate]:
        """Return a generation with what is to be said of it.

        The same generation can be screened again with some of it mended; who was turned down
        before stays so.

        Args:
          candidates: of the generation.
          earlier: of all generations before.
        """
        settings = self.config.search
        evidence = self._evidence(candidates, earlier) if settings.screens else None
        stage = self._stage(earlier) if settings.duplicates else None
        tried = [c for c in earlier if c.terms and not c.passed_over]
        known = [self._known(c, stage) for c in tried] if stage is not None else []
        done = []
        for candidate in candidates:
            reward = self.reward(candidate)
            if isinstance(reward, Rejection):
                candidate = candidate.rejected(reward)
            if evidence is not None and isinstance(reward, Reward):
                candidate = self._screened(candidate, reward, evidence)
            if stage is not None and isinstance(reward, Reward) and candidate.trains:
                candidate = self._deduplicated(candidate, known, stage)
                known.append(self._known(candidate, stage))
            done.append(candidate)
        return done

    def distances(self, candidates: Sequence[Candidate]) -> dict[str, list]:
        """Return the EPIC distances of all pairs of candidates: {"ids": ..., "matrix": ...}."""
        traced = [c for c in candidates if c.score is not None]
        stage = self._stage(candidates)
        forms = [self._form(c, stage).epic for c in traced]
        matrix = np.round(distance_matrix(forms), 3).tolist()
        return {"ids": [c.id for c in traced], "matrix": matrix}

    def reward(self, candidate: Candidate) -> Reward | Rejection:
        """Load a traced candidate's reward, or say why there is none."""
        if candidate.rejection is not None and not candidate.audited:
            return candidate.rejection
        return self._traced(candidate)

    def _traced(self, candidate: Candidate) -> Reward | Rejection:
        return traced_reward(load_traced(candidate, self.folder), self.task)

    def _screened(self, candidate: Candidate, reward: Reward, evidence: Evidence) -> Candidate:
        found = screen(reward, evidence)
        candidate = replace(candidate, findings=found)
        fatal = [finding for finding in found if finding.fatal]
        if not fatal:
            return candidate
        seed = derive_seed(self.config.seed, "audit", candidate.id)
        return replace(
            candidate.rejected(Rejection(Stage.SCREEN, fatal[0].words)),
            audited=audited(seed, self.config.search.audit),
        )

    def _deduplicated(self, candidate: Candidate, known: Sequence[Known], stage: int) -> Candidate:
        assert candidate.program is not None
        threshold = self.config.search.duplicates
        # On random actions alone what differs far from them looks alike: only texts are compared.
        form = self._form(candidate, stage) if stage else None
        twin = find_duplicate(candidate.program.source, form, known, threshold)
        if twin is None:
            return candidate
        finding = Finding("duplicate", fatal=True, words=_likeness(twin))
        return replace(
            candidate.rejected(Rejection(Stage.SCREEN, finding.words)),
            findings=(*candidate.findings, finding),
            audited=False,  # what was tried once is not tried again to see what it is worth
        )

    def _known(self, candidate: Candidate, stage: int) -> Known:
        assert candidate.program is not None
        form = self._form(candidate, stage) if stage else None
        return Known.of(candidate.id, candidate.program.source, form)

    def _form(self, candidate: Candidate, stage: int) -> Canonical:
        assert candidate.program is not None
        key = stage, candidate.program.source
        if key not in self._forms:
            reward = self._traced(candidate)
            assert isinstance(reward, Reward)
            self._forms[key] = canonical(reward, self._samples[stage])
        return self._forms[key]

    def _stage(self, earlier: Sequence[Candidate]) -> int:
        """Draw the sample that rewards are compared on; return its number.

        While nothing is trained it is of random actions, and from then on half of the first
        generation's policies, so that all later candidates are compared on the same steps.
        """
        first = [c for c in earlier if c.score and c.generation == 0]
        stage = 1 if first else 0
        if stage not in self._samples:
            steps = self.explored()
            if first:
                rng = np.random.default_rng(derive_seed(self.config.seed, "sample"))
                trained = Transitions.join([self.rollouts(c).transitions for c in first])
                steps = Transitions.join([steps, trained.sample(len(steps), rng)])
            seed = derive_seed(self.config.seed, "compare")
            self._samples[stage] = Sample.draw(steps, seed, **_COMPARED)
        return stage

    def _evidence(self, candidates: Sequence[Candidate], earlier: Sequence[Candidate]) -> Evidence:
        """Gather what is known before a generation, once: it is screened again when mended."""
        number = candidates[0].generation
        if self._gathered is None or self._gathered[0] != number:
            self._gathered = number, self._gather(earlier)
        return self._gathered[1]

    def _gather(self, earlier: Sequence[Candidate]) -> Evidence:
        exploits = self._exploits(earlier)
        trained = [self._episodes(c) for c in self._remembered(earlier)]
        rng = np.random.default_rng(derive_seed(self.config.seed, "evidence", len(earlier)))
        return Evidence.of(
            self.task,
            self.explored(),
            discount=self.config.train.discount,
            trained=Episodes.join([e.thinned(_STEPS_OF_AN_EPISODE, rng) for e in trained])
            if trained
            else None,
            exploits=sorted(exploits, key=lambda exploit: exploit.words),
        )

    def _exploits(self, earlier: Sequence[Candidate]) -> tuple[Exploit, ...]:
        """Diagnose the latest generation's policies; return all exploits that the run knows.

        Those of earlier runs are copied when the first generation is screened: what other
        runs find meanwhile does not change this one.
        """
        mine = Registry.open(self.folder / "exploits", self.task.fingerprint, self.task.description)
        if self.shared is not None and not earlier:
            for exploit in self.shared.all():
                mine.add(exploit)
        scored = [c for c in earlier if c.score is not None]
        fitness = [c.score.fitness for c in scored if c.score]
        margin = (max(fitness) - min(fitness)) / 2 if fitness else 0.0
        best = best_of(scored)
        if best is not None and margin > 0.0:
            reference = self._episodes(best)
            for candidate in scored:
                if candidate.generation != earlier[-1].generation or candidate is best:
                    continue
                reward = self.reward(candidate)
                assert isinstance(reward, Reward)
                seed = derive_seed(self.config.seed, "exploit", candidate.id)
                exploit = diagnose(
                    reward,
                    self._episodes(candidate),
                    reference,
                    margin=margin,
                    rng=np.random.default_rng(seed),
                )
                if exploit is not None:
                    mine.add(exploit)
                    if self.shared is not None:
                        self.shared.add(exploit)
        return mine.all()

    def _remembered(self, earlier: Sequence[Candidate]) -> list[Candidate]:
        """Return trained candidates, the fittest and the least fit if there are many."""
        scored = sorted(
            (c for c in earlier if c.score), key=lambda c: (c.score.fitness if c.score else 0, c.id)
        )
        half = _REMEMBERED // 2
        return scored if len(scored) <= _REMEMBERED else scored[:half] + scored[-half:]

    def rollouts(self, candidate: Candidate) -> Rollouts:
        """Load the held-out episodes of a scored candidate's first training."""
        return Rollouts.load(self.folder / candidate.folder / "rollout.npz")

    def _episodes(self, candidate: Candidate) -> Episodes:
        return self.rollouts(candidate).episodes

    def explored(self) -> Transitions:
        """Return the steps of random actions, which are made once in a run."""
        path = self.folder / "explored.npz"
        names = ("state", "action", "next_state")
        if path.is_file():
            with np.load(path) as arrays:
                return Transitions(*(arrays[name] for name in names))
        envs, steps = EXPLORED
        seed = derive_seed(self.config.seed, "explore")
        threads = self.config.threads
        explored = explore(self.task, seed, envs, steps, threads=threads, looks=self.looks)
        with atomic_write(path) as file:
            save_arrays(file, {n: getattr(explored, n) for n in names}, compressed=True)
        return explored


def _likeness(twin: Duplicate) -> str:
    same = "is the same program as" if twin.by is Likeness.TEXT else "pays for the same as"
    return (
        f"It {same} {twin.id} (distance {twin.distance:.3f}), which was tried: change what it pays "
        "for, not how it is written."
    )
