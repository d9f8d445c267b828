"""A run's generations: propose, screen, train, train again; then the comparison.

Every step that is finished is in the store. A run that was stopped, at whatever
point, is continued by going through the same loop and skipping what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from reward_synth.errors import BudgetError, RunError
from reward_synth.files import sweep
from reward_synth.propose.library import Example
from reward_synth.propose.proposer import Context, Proposer
from reward_synth.records import Stage
from reward_synth.reward.sandbox import Sandbox
from reward_synth.rollout.finals import median_training
from reward_synth.rollout.video import VideoWorker
from reward_synth.search.archive import Archive
from reward_synth.search.asking import archive_of
from reward_synth.search.blame import alike, environment_error, rejection
from reward_synth.search.budget import Budget
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.costs import Costs, TaskFacts
from reward_synth.search.failure import WorkerError
from reward_synth.search.hearing import Hearing
from reward_synth.search.listener import (
    Comparison,
    Listener,
    comparison_from_json,
    comparison_json,
)
from reward_synth.search.memory import examples_of, leave
from reward_synth.search.proposals import propose_generation, trains
from reward_synth.search.recovery import once_more, train_all
from reward_synth.search.reporter import ProgressReporter
from reward_synth.search.rungs import Ladder, ladder_of
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import INCUMBENT, Spent, Store
from reward_synth.search.strategies import strategy_of
from reward_synth.search.summary import summary
from reward_synth.search.training_process import Training

Result = TypeVar("Result")

_KNOWN, _KNOWN_WELL = 3, 5  # trainings: enough for a parent, and for what the search stands by
_MOST_CONFIRMATIONS = 6


class Search:
    """The loop itself; its state is the store."""

    def __init__(
        self,
        config: RunConfig,
        store: Store,
        facts: TaskFacts,
        proposer: Proposer,
        sandbox: Sandbox,
        training: Training,
        budget: Budget,
        videos: VideoWorker,
        listener: Listener,
        progress: ProgressReporter,
    ) -> None:
        self._config = config
        self._store = store
        self._facts = facts
        self._costs = Costs(config, facts)
        self._proposer = proposer
        self._sandbox = sandbox
        self._training = training
        self._budget = budget
        self._videos = videos
        self._listener = listener
        self._progress = progress
        self._strategy = strategy_of(config.search.strategy)
        self._hearing = Hearing(
            config,
            facts.description,
            facts.folder,
            store,
            self._safely,
            training,
            budget,
            videos,
            listener,
        )
        self._examples: tuple[Example, ...] = ()  # those of the run, once it goes

    def run(self) -> Comparison | None:
        """Go through all generations and the comparison."""
        self._examples = examples_of(self._store, self._config, self._facts.description)
        self._hearing.prepare()
        try:
            for generation in range(self._config.search.generations):
                self._generation(generation)
        except BudgetError as error:
            self._listener.notice(f"The search stops here: {error}")
            self._store.log("budget", reason=str(error))
        self._confirm()
        archive = self._archive(self._config.search.generations)
        best = self._strategy.best(archive)
        # The generation after the last: what the re-runs at the end have made of it.
        last = max((c.generation for c in archive.candidates), default=-1)
        self._note_incumbent(last + 1, archive, best)
        self._map(archive)
        if best is None:
            self._finish()
            raise RunError(
                "no candidate could be trained; the report says why each was turned down."
            )
        self._store.put("best", best.id)
        for line in summary(self._store.candidates(), self._config.search.rungs):
            self._listener.notice(line[0].upper() + line[1:] + ".")
        try:
            comparison = self._comparison(best)
        except BudgetError as error:
            self._listener.notice(f"The final comparison is left out: {error}")
            comparison = None
        leave(self._store, self._config, self._facts.description, best)
        self._finish()
        return comparison

    def _generation(self, generation: int) -> None:
        candidates = self._store.candidates(generation) or self._propose(generation)
        candidates = self._race(generation, candidates)
        self._rerun(generation)
        finished = [self._store.folder / c.folder for c in candidates if c.score is not None]
        self._film([(place / "rollout.npz", place / "rollout.mp4") for place in finished])
        self._hearing.hear(generation)
        archive = self._archive(generation + 1)
        best = self._strategy.best(archive)
        self._note_incumbent(generation, archive, best)
        self._listener.generation(archive, best, self._config.search.generations)

    def _note_incumbent(self, generation: int, archive: Archive, best: Candidate | None) -> None:
        """Write down what the search would end with now, and what that has taken."""
        if self._noted(INCUMBENT, generation=generation):
            return
        spent = self._store.spent()
        self._store.log(
            INCUMBENT,
            generation=generation,
            best=best and best.id,
            estimate=best and asdict(archive.estimates[best.id]),
            candidates=len(archive.candidates),
            env_steps=spent.env_steps,
            tokens=spent.tokens,
            dollars=spent.dollars,
            seconds=self._budget.seconds(),
        )

    def _archive(self, generations: int) -> Archive:
        """Return what was tried in the first so many generations."""
        return archive_of(self._store, self._config, generations, self._proposer.models)

    def _propose(self, generation: int) -> list[Candidate]:
        self._budget.title = f"gen_{generation:02d}/propose"
        self._budget.check_seconds()
        archive, search = self._archive(generation), self._config.search
        seed = derive_seed(self._config.seed, "propose", generation)
        each = self._costs.oversample
        wanted = replace(search, candidates=each * search.candidates)
        briefs = self._strategy.briefs(archive, wanted, np.random.default_rng(seed))
        places = self._affordable(archive, max(1, len(briefs) // each))
        briefs = briefs[: each * places]
        screening = self._costs.exploration > 0
        if screening:
            self._explore()
        began = time.monotonic()

        def screen(candidates: list[Candidate]) -> list[Candidate]:
            if not screening:
                return candidates
            return self._safely(lambda: self._training.screen(candidates, archive.candidates))

        candidates = propose_generation(
            self._proposer,
            self._sandbox,
            Context(self._facts.description, generation, seed, self._examples),
            briefs,
            search.repairs,
            self._store.folder,
            screen,
        )
        if each > 1:
            candidates = self._safely(
                lambda: self._training.preselect(candidates, archive.candidates, places)
            )
        self._map(archive)
        self._store.finish_job(
            f"gen_{generation:02d}/propose",
            [c.id for c in candidates],
            "proposing and screening" if screening else "proposing",
            Spent(seconds=time.monotonic() - began),
            candidates,
        )
        return candidates

    def _map(self, archive: Archive) -> None:
        """Keep how far rewards are from each other, for the report."""
        if self._config.search.duplicates and archive.scored:
            distances = self._safely(lambda: self._training.distances(archive.candidates))
            self._store.put("distances", distances)

    def _explore(self) -> None:
        """Make the random actions that rewards are screened on, once in a run."""
        if self._store.job("explore") is None:
            began = time.monotonic()
            self._safely(self._training.explore)
            spent = Spent(env_steps=self._costs.exploration, seconds=time.monotonic() - began)
            self._store.finish_job("explore", True, "exploring", spent)

    def _affordable(self, archive: Archive, most: int) -> int:
        """Return how many candidates can be trained, all but the first leaving the final its share.

        Where leaders are trained again, what is too little for half a generation is better spent
        on that.

        Raises:
          BudgetError: too few can.
        """
        search, later = self._config.search, archive.generations > 0
        fewest = max(1, most // 2) if later and search.reruns else 1
        reserve = self._costs.final if later else self._costs.exploration
        ladder = ladder_of(archive, search)
        for count in range(most, fewest - 1, -1):
            if self._budget.allows(self._costs.generation(count, ladder) + reserve):
                return count
        raise BudgetError(
            f"{'another candidate' if fewest == 1 else f'a generation of {fewest}'} takes up to "
            f"{self._costs.generation(fewest, ladder):,} environment steps"
            + (f" and the final comparison {reserve:,}" if later and reserve else "")
            + ", more than the budget leaves."
        )

    def _race(self, generation: int, candidates: list[Candidate]) -> list[Candidate]:
        """Train a generation; return its candidates."""
        job = f"gen_{generation:02d}/train"
        if self._store.job(job) is None:
            self._budget.check_seconds()
            ladder, entrants = self._ladder(generation), len(trains(candidates))
            self._progress.begin(
                f"generation {generation + 1}/{self._config.search.generations}: training "
                f"{entrants} candidates{', in a race' if ladder.rungs and entrants > 1 else ''}",
                self._costs.training(entrants, ladder),
            )
            self._train(job, generation, candidates, ladder)
            self._progress.end()
            candidates = self._store.candidates(generation)
        if self._noted("generation", number=generation):
            return candidates
        common = alike([c.rejection for c in candidates if c.trains or _failed(c)])
        if common is not None:
            self._listener.notice(common[0].upper() + common[1:])
            self._store.log("alike", reason=common)
        self._store.log("generation", number=generation)
        return candidates

    def _ladder(self, generation: int) -> Ladder:
        """Return when a generation's race is cut; say so once if that is later than before."""
        settings = self._config.search
        ladder = ladder_of(self._archive(generation), settings)
        changed = generation and ladder != ladder_of(self._archive(generation - 1), settings)
        if changed and not self._noted("rungs", generation=generation):
            self._store.log("rungs", generation=generation, rungs=ladder.rungs, keep=ladder.keep)
            shares = " and ".join(f"{rung:.0%}" for rung in ladder.rungs)
            self._listener.notice(
                f"Races are cut later from here on, at {shares} of a training: the order at the "
                "rungs so far was not that of the end."
            )
        return ladder

    def _noted(self, event: str, **detail: int) -> bool:
        """Whether an event is in the store; a kill may have fallen just before it was."""
        return any(
            kind == event and detail.items() <= found.items()
            for _, kind, found in self._store.events()
        )

    def _train(
        self, job: str, generation: int, candidates: list[Candidate], ladder: Ladder
    ) -> None:
        """Train a generation, whatever its training does to its process, and write it down."""
        entrants = trains(candidates)

        def together() -> None:
            if self._store.job(job) is not None:
                return
            done, spent = self._training.generation(
                candidates, ladder, f"gen_{generation:02d}/checkpoint.npz"
            )
            self._store.finish_job(job, [c.id for c in done], "training", spent, done)

        def alone(place: int) -> None:
            candidate = entrants[place]
            mine = f"{job}/{candidate.id}"
            if self._store.job(mine) is None:
                done, spent = self._training.generation(
                    [candidate], Ladder(), f"{candidate.folder}/checkpoint.npz"
                )
                self._store.finish_job(mine, [candidate.id], "training alone", spent, done)

        ids = [candidate.id for candidate in entrants]
        guilty = train_all(self._store, job, ids, together, alone, self._listener.notice)
        if self._store.job(job) is None:
            turned_down = [
                entrants[k].rejected(rejection(failure)) for k, failure in guilty.items()
            ]
            self._store.finish_job(job, ids, "training", Spent(), turned_down)

    def _safely(self, work: Callable[[], Result]) -> Result:
        """Do work in the training process, twice if it is lost; then it is nobody's reward's fault.

        Raises:
          TrainingError: it was lost twice.
        """
        try:
            return once_more(work, self._listener.notice)
        except WorkerError as error:
            raise environment_error(error.failure) from error

    def _rerun(self, generation: int) -> None:
        """Train the leaders again before they become parents: one training is partly luck."""
        self._train_again(f"gen_{generation:02d}/rerun", self._archive(generation + 1), _KNOWN)

    def _confirm(self) -> None:
        """Make surer of the leaders at the end, with what the generations left of the budget."""
        limited = self._config.budget.env_steps is not None
        for turn in range(_MOST_CONFIRMATIONS if limited else 1):
            archive = self._archive(self._config.search.generations)
            if not self._train_again(f"confirm_{turn}", archive, _KNOWN_WELL):
                break

    def _train_again(self, job: str, archive: Archive, enough: int) -> bool:
        """Train leaders of fewer than ``enough`` trainings once more; return whether any were."""
        done = self._store.job(job)
        if done is not None:
            return bool(done)
        again = archive.uncertain_leaders(self._config.search.reruns, enough)
        reserve = self._costs.final
        while again and not self._budget.allows(self._costs.rerun(len(again)) + reserve):
            again.pop()
        if not again:
            # Decided for good: after later generations' trainings it would look otherwise.
            self._store.finish_job(job, [], "training again", Spent())
            return False
        self._progress.begin(
            f"training {', '.join(c.id for c in again)} again, with fresh seeds",
            len(again) * self._costs.search_steps,
        )
        again, spent = self._safely(lambda: self._training.rerun(again, f"{job}.npz"))
        self._store.finish_job(job, [c.id for c in again], "training again", spent, again)
        self._progress.end()
        return True

    def _comparison(self, best: Candidate) -> Comparison | None:
        if not self._config.final.trainings:
            return None
        saved = self._store.job("final/train")
        if saved is None:
            if not self._budget.allows(self._costs.final):
                raise BudgetError(
                    f"it takes up to {self._costs.final:,} environment steps, more than "
                    "the budget leaves."
                )
            trainings = self._costs.final_trainings
            self._progress.begin(
                f"final comparison: {trainings} trainings from scratch",
                trainings * self._costs.final_steps,
            )
            comparison, spent = self._safely(lambda: self._training.comparison(best))
            saved = comparison_json(comparison, best)
            self._store.finish_job("final/train", saved, "final comparison", spent)
            self._progress.end()
        self._store.put("result", saved)
        comparison = comparison_from_json(saved)
        found = [median_training(self._store.folder, name) for name in comparison.scores]
        typical = [one for one in found if one is not None]
        self._film([(one / "rollout.npz", one.with_name("rollout.mp4")) for one in typical])
        self._listener.comparison(comparison, best)
        return comparison

    def _film(self, videos: list[tuple[Path, Path]]) -> None:
        """Have rollouts filmed, (rollout, video) each, if they were not yet."""
        if self._config.video.enabled:
            missing = [(r, v) for r, v in videos if r.is_file() and not v.is_file()]
            self._videos.submit(Path(self._facts.folder), missing)

    def _finish(self) -> None:
        self._videos.wait()
        sweep(self._store.folder)  # of a training process that was killed while it wrote
        self._budget.seconds()


def _failed(candidate: Candidate) -> bool:
    return candidate.rejection is not None and candidate.rejection.stage is Stage.TRAIN
