"""The loop: propose, trace, train, score, reflect, again; then the comparison.

Every step that is finished is in the store. A run that was stopped, at whatever
point, is continued by going through the same loop and skipping what is there.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_synth.errors import BudgetError, RunError
from reward_synth.feedback.scores import Score
from reward_synth.files import cache_folder
from reward_synth.propose.llm.cache import CachedModel
from reward_synth.propose.llm.select import choose
from reward_synth.propose.proposer import Context, Proposer
from reward_synth.reward.facade import FACADE_NAMES
from reward_synth.reward.sandbox import Sandbox
from reward_synth.rollout.video import VideoWorker
from reward_synth.search.archive import Archive
from reward_synth.search.budget import Budget
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig, config_from_json
from reward_synth.search.listener import Comparison, Listener, Tick
from reward_synth.search.proposals import propose_generation, trains
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import INCUMBENT, Spent, Store
from reward_synth.search.strategies import STRATEGIES

if TYPE_CHECKING:
    from reward_synth.search.trainings import Trainer
    from reward_synth.task.task import Task

_PACKAGES = ("reward-synth", "mujoco", "jax", "jaxlib", "numpy", "gymnasium", "openai")
_PACKAGES_OF = {"sb3": ("stable-baselines3", "torch")}  # what a trainer adds


def start(config: RunConfig, folder: Path, listener: Listener) -> Comparison | None:
    """Begin a run in ``folder`` and go on until it is done.

    Returns:
      The final comparison; None if the settings or the budget leave it out.

    Raises:
      RewardSynthError: in one line, what the user can mend; all that was done is kept.
    """
    config.check()
    if (folder / "run.db").exists():
        raise RunError(f"{folder} holds a run already: continue it with resume={folder}.")
    with Store.open(folder) as store:
        store.put("config", asdict(config))
        return _run(config, store, listener)


def resume(folder: Path, listener: Listener) -> Comparison | None:
    """Continue the run in ``folder``; one that is done only says its results again.

    Raises:
      RewardSynthError: as ``start``; also if there is no run or its task has changed.
    """
    if not (folder / "run.db").is_file():
        raise RunError(f"{folder} is not a run folder: it has no run.db.")
    with Store.open(folder) as store:
        saved = store.get("config")
        if saved is None:
            raise RunError(f"the run in {folder} was stopped before it began: start it anew.")
        config = config_from_json(saved)
        config.check()  # the trainer's extra may be missing here
        return _run(config, store, listener)


def _run(config: RunConfig, store: Store, listener: Listener) -> Comparison | None:
    # Imported only now: the command line answers --help and mistakes without waiting for JAX.
    from reward_synth.search.trainings import Trainer
    from reward_synth.task import load_task
    from reward_synth.train.setup import configure_jax

    configure_jax(cache_folder() / "xla")
    task = load_task(config.task)
    if config.backend == "mjx":
        from reward_synth.sim.mjx_support import check_mjx

        check_mjx(task)  # before anything is paid for
    _note_task(store, task, config)
    budget = Budget(config.budget, store)
    store.log("sitting", seconds=budget.seconds())
    with ExitStack() as stack:
        proposer = _proposer(config, os.environ, budget, store, listener)
        sandbox = stack.enter_context(Sandbox.start(strict=config.sandbox == "strict"))
        store.put("layers", [asdict(layer) for layer in sandbox.layers])
        listener.notice(sandbox.table())
        videos = stack.enter_context(_video_worker(config, listener))
        progress = _ProgressReporter(budget, store, listener)
        trainer = Trainer(task, config, store.folder, progress.tick)
        search = _Search(
            config, store, task, proposer, sandbox, trainer, budget, videos, listener, progress
        )
        try:
            return search.run()
        finally:
            budget.seconds()


class _Search:
    """The loop itself; its state is the store."""

    def __init__(
        self,
        config: RunConfig,
        store: Store,
        task: Task,
        proposer: Proposer,
        sandbox: Sandbox,
        trainer: Trainer,
        budget: Budget,
        videos: VideoWorker,
        listener: Listener,
        progress: _ProgressReporter,
    ) -> None:
        self._config = config
        self._store = store
        self._task = task
        self._proposer = proposer
        self._sandbox = sandbox
        self._trainer = trainer
        self._budget = budget
        self._videos = videos
        self._listener = listener
        self._progress = progress
        self._strategy = STRATEGIES[config.search.strategy]

    def run(self) -> Comparison | None:
        """Go through all generations and the comparison."""
        try:
            for generation in range(self._config.search.generations):
                self._generation(generation)
        except BudgetError as error:
            self._listener.notice(f"The search stops here: {error}")
            self._store.log("budget", reason=str(error))
        best = self._strategy.best(self._archive(self._config.search.generations))
        if best is None:
            self._finish()
            raise RunError(
                "no candidate could be trained; the report says why each was turned down."
            )
        self._store.put("best", best.id)
        try:
            comparison = self._comparison(best)
        except BudgetError as error:
            self._listener.notice(f"The final comparison is left out: {error}")
            comparison = None
        self._finish()
        return comparison

    def _generation(self, generation: int) -> None:
        candidates = self._store.candidates(generation) or self._propose(generation)
        candidates = self._screen(generation, candidates)
        candidates = self._race(generation, candidates)
        self._rerun(generation)
        archive = self._archive(generation + 1)
        best = self._strategy.best(archive)
        self._note_incumbent(archive, best)
        finished = [self._store.folder / c.folder for c in candidates if c.score is not None]
        self._film([(place / "rollout.npz", place / "rollout.mp4") for place in finished])
        self._listener.generation(archive, best, self._config.search.generations)

    def _note_incumbent(self, archive: Archive, best: Candidate | None) -> None:
        """Write down what the search would end with now, and what that has taken."""
        generation = archive.generations - 1
        if any(d["generation"] == generation for _, k, d in self._store.events() if k == INCUMBENT):
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
        known = (c for c in self._store.candidates() if c.generation < generations)
        return Archive(tuple(known), generations)

    def _propose(self, generation: int) -> list[Candidate]:
        self._budget.title = f"gen_{generation:02d}/propose"
        self._budget.check_seconds()
        began = time.monotonic()
        seed = derive_seed(self._config.seed, "propose", generation)
        briefs = self._strategy.briefs(
            self._archive(generation), self._config.search, np.random.default_rng(seed)
        )
        candidates = propose_generation(
            self._proposer,
            self._sandbox,
            Context(self._task.description, generation, seed),
            briefs[: self._affordable(generation)],
            self._config.search.repairs,
            self._store.folder,
        )
        self._store.save_candidates(candidates)
        self._store.charge(
            f"gen_{generation:02d}/trace",
            "proposing and tracing",
            Spent(seconds=time.monotonic() - began),
        )
        return candidates

    def _affordable(self, generation: int) -> int:
        """Return how many candidates can be trained, all but the first leaving the final its share.

        Raises:
          BudgetError: none can.
        """
        reserve = self._trainer.final_cost() if generation else 0
        rungs = self._config.search.rungs
        for count in range(self._config.search.candidates, 0, -1):
            if self._budget.allows(self._trainer.generation_cost(count, rungs) + reserve):
                return count
        raise BudgetError(
            f"another candidate takes up to {self._trainer.generation_cost(1, rungs):,} "
            "environment steps"
            + (f" and the final comparison {reserve:,}" if reserve else "")
            + ", more than the budget leaves."
        )

    def _screen(self, generation: int, candidates: list[Candidate]) -> list[Candidate]:
        """Judge a generation before it is trained; return its candidates."""
        job, settings = f"gen_{generation:02d}/screen", self._config.search
        if self._store.job(job) is not None or not (settings.screens or settings.duplicates):
            return candidates
        earlier = self._archive(generation).candidates
        candidates, spent = self._trainer.screening.screen(candidates, earlier)
        self._store.finish_job(job, [c.id for c in candidates], "screening", spent, candidates)
        if settings.duplicates and earlier:
            self._store.put("distances", self._trainer.screening.distances(earlier))
        return candidates

    def _race(self, generation: int, candidates: list[Candidate]) -> list[Candidate]:
        """Train a generation; return its candidates."""
        job = f"gen_{generation:02d}/train"
        if self._store.job(job) is not None:
            return candidates
        self._budget.check_seconds()
        rungs, entrants = self._config.search.rungs, len(trains(candidates))
        self._progress.begin(
            f"generation {generation + 1}/{self._config.search.generations}: training {entrants} "
            f"candidates{', in a race' if rungs and entrants > 1 else ''}",
            self._trainer.training_cost(entrants, rungs),
        )
        candidates, spent = self._trainer.generation(candidates, rungs)
        self._store.finish_job(job, [c.id for c in candidates], "training", spent, candidates)
        self._store.log("generation", number=generation)
        return candidates

    def _rerun(self, generation: int) -> None:
        """Train the leaders again before they become parents: one training is partly luck."""
        job = f"gen_{generation:02d}/rerun"
        if self._store.job(job) is not None:
            return
        again = self._archive(generation + 1).uncertain_leaders(self._config.search.reruns)
        reserve = self._trainer.final_cost()
        if not again or not self._budget.allows(self._trainer.rerun_cost(len(again)) + reserve):
            return
        self._progress.begin(
            f"training {', '.join(c.id for c in again)} again, with fresh seeds",
            len(again) * self._trainer.search_steps(),
        )
        again, spent = self._trainer.rerun(again, generation)
        self._store.finish_job(job, [c.id for c in again], "training again", spent, again)

    def _comparison(self, best: Candidate) -> Comparison | None:
        if not self._config.final.trainings:
            return None
        from reward_synth.search.trainings import comparison_from_json, comparison_json

        saved = self._store.job("final/train")
        if saved is None:
            if not self._budget.allows(self._trainer.final_cost()):
                raise BudgetError(
                    f"it takes up to {self._trainer.final_cost():,} environment steps, more than "
                    "the budget leaves."
                )
            trainings = self._trainer.final_trainings()
            self._progress.begin(
                f"final comparison: {trainings} trainings from scratch",
                trainings * self._trainer.final_steps(),
            )
            comparison, spent = self._trainer.comparison(best)
            saved = comparison_json(comparison, best)
            self._store.finish_job("final/train", saved, "final comparison", spent)
        self._store.put("result", saved)
        comparison = comparison_from_json(saved)
        final = self._store.folder / "final"
        self._film(
            [
                (
                    final / name / f"seed_{_typical(trained)}" / "rollout.npz",
                    final / name / "rollout.mp4",
                )
                for name, trained in comparison.scores.items()
            ]
        )
        self._listener.comparison(comparison, best)
        return comparison

    def _film(self, videos: list[tuple[Path, Path]]) -> None:
        """Have rollouts filmed, (rollout, video) each, if they were not yet."""
        if self._config.video.enabled:
            missing = [(r, v) for r, v in videos if r.is_file() and not v.is_file()]
            self._videos.submit(self._task.folder, missing)

    def _finish(self) -> None:
        self._videos.wait()
        self._budget.seconds()


def _typical(score: Score) -> int:
    """Return the place of the training of median fitness."""
    return sorted(range(len(score.trainings)), key=score.trainings.__getitem__)[
        len(score.trainings) // 2
    ]


class _ProgressReporter:
    """Turns a training's progress into ticks, and stops it when the time is up."""

    def __init__(self, budget: Budget, store: Store, listener: Listener) -> None:
        self._budget = budget
        self._store = store
        self._listener = listener
        self._total = 0
        self._began = 0.0
        self._spent = Spent()

    def begin(self, title: str, total: int) -> None:
        """Announce a training of ``total`` environment steps."""
        self._total, self._began, self._spent = total, time.monotonic(), self._store.spent()
        self._listener.training(title)

    def tick(self, done: int, fitness: float) -> None:
        """Report ``done`` steps; raises ``BudgetError`` if the time is up."""
        seconds = time.monotonic() - self._began
        spent = self._spent + Spent(env_steps=done, seconds=seconds)
        self._listener.tick(Tick(done, self._total, fitness, spent, self._budget.settings))
        self._budget.check_seconds()


def _proposer(
    config: RunConfig,
    environment: Mapping[str, str],
    budget: Budget,
    store: Store,
    listener: Listener,
) -> Proposer:
    from reward_synth.propose.language import LanguageProposer
    from reward_synth.propose.offline import OfflineProposer

    answers = store.folder / "answers"
    choice = choose(
        config.llm.kind,
        environment,
        overrides=config.llm.overrides,
        folder=Path(config.llm.folder) if config.llm.folder else None,
        start=len(list(answers.glob("*.json"))),
        before_request=budget.before_request,
    )
    listener.notice(choice.notice)
    if choice.model is None:
        return OfflineProposer()
    return LanguageProposer([CachedModel(choice.model, answers)], FACADE_NAMES, budget.on_answer)


def _video_worker(config: RunConfig, listener: Listener) -> VideoWorker:
    video = config.video
    return VideoWorker(
        listener.notice, width=video.width, height=video.height, seconds=video.seconds
    )


def _note_task(store: Store, task: Task, config: RunConfig) -> None:
    """Write down what the run stands on; refuse to go on with another task than it began with."""
    fingerprint = store.get("task_fingerprint")
    if fingerprint is None:
        store.put("task", task.description.to_json())
        store.put("task_folder", str(task.folder))
        store.put("versions", _versions(config))
        store.put("seeds", _seeds(config))
        store.put("task_fingerprint", task.fingerprint)
    elif fingerprint != task.fingerprint:
        raise RunError(
            f"the task in {task.folder} has changed since this run began: its results would not "
            "belong together. Start a new run."
        )


def _seeds(config: RunConfig) -> dict[str, Any]:
    """Return the seeds that can be named before it begins; a candidate's follows from its id."""
    seed, count = config.seed, config.final.trainings
    return {
        "run": seed,
        "held-out episodes": derive_seed(seed, "evaluate"),
        "final trainings": [derive_seed(seed, "final", i) for i in range(count)],
        "final episodes": [derive_seed(seed, "final episodes", i) for i in range(count)],
    }


def _versions(config: RunConfig) -> dict[str, Any]:
    packages = (*_PACKAGES, *_PACKAGES_OF.get(config.trainer, ()))
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{package: version(package) for package in packages},
    }
