"""Runs: begun, continued, and put together from their parts."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reward_synth.errors import RunError
from reward_synth.files import sweep
from reward_synth.propose.proposer import Proposer
from reward_synth.reward.facade import FACADE_NAMES
from reward_synth.reward.sandbox import Sandbox
from reward_synth.rollout.video import VideoWorker
from reward_synth.run_folder import check_run
from reward_synth.search.budget import Budget
from reward_synth.search.config import RunConfig, config_from_json
from reward_synth.search.costs import TaskFacts
from reward_synth.search.generations import Search
from reward_synth.search.listener import Comparison, Listener
from reward_synth.search.models import models_of
from reward_synth.search.recovery import once_more
from reward_synth.search.reporter import ProgressReporter
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import Store
from reward_synth.search.training_process import training_for

_PACKAGES = ("reward-synth", "mujoco", "jax", "jaxlib", "numpy", "gymnasium", "openai")
_PACKAGES_OF = {"sb3": ("stable-baselines3", "torch")}  # what a trainer adds
_PACKAGES_THAT_SEE = ("torch", "transformers")


def start(config: RunConfig, folder: Path, listener: Listener) -> Comparison | None:
    """Begin a run in ``folder`` and go on until it is done.

    Returns:
      The final comparison; None if the settings or the budget leave it out.

    Raises:
      RewardSynthError: in one line, what the user can mend; all that was done is kept.
    """
    config.check()
    with Store.open(folder) as store:
        if store.get("config") is not None:
            raise RunError(f"{folder} holds a run already: continue it with resume={folder}.")
        store.put("config", asdict(config))
        return _run(config, store, listener)


def resume(folder: Path, listener: Listener) -> Comparison | None:
    """Continue the run in ``folder``; one that is done only says its results again.

    Raises:
      RewardSynthError: as ``start``; also if there is no run or its task has changed.
    """
    check_run(folder)
    with Store.open(folder) as store:
        saved = store.get("config")
        if saved is None:
            raise RunError(f"the run in {folder} was stopped before it began: start it anew.")
        config = config_from_json(saved)
        config.check()  # the trainer's extra may be missing here
        sweep(folder)
        return _run(config, store, listener)


def _run(config: RunConfig, store: Store, listener: Listener) -> Comparison | None:
    budget = Budget(config.budget, store)
    store.log("sitting", seconds=budget.seconds())
    progress = ProgressReporter(budget, store, listener)
    with ExitStack() as stack:
        training = stack.enter_context(training_for(config, store.folder, progress.tick))
        proposer = _proposer(config, os.environ, budget, store, listener)
        sandbox = stack.enter_context(Sandbox.start(strict=config.sandbox == "strict"))
        store.put("layers", [asdict(layer) for layer in sandbox.layers])
        listener.notice(sandbox.table())
        videos = stack.enter_context(_video_worker(config, listener))
        facts = once_more(training.facts, listener.notice)
        _note_task(store, facts, config)
        search = Search(
            config, store, facts, proposer, sandbox, training, budget, videos, listener, progress
        )
        try:
            return search.run()
        finally:
            budget.seconds()


def _proposer(
    config: RunConfig,
    environment: Mapping[str, str],
    budget: Budget,
    store: Store,
    listener: Listener,
) -> Proposer:
    from reward_synth.propose.language import LanguageProposer
    from reward_synth.propose.offline import OfflineProposer

    models, notice = models_of(config, environment, budget, store)
    listener.notice(notice)
    if not models:
        return OfflineProposer()
    return LanguageProposer(models, FACADE_NAMES, budget.on_answer)


def _video_worker(config: RunConfig, listener: Listener) -> VideoWorker:
    video = config.video
    return VideoWorker(
        listener.notice,
        width=video.width,
        height=video.height,
        seconds=video.seconds,
        shots=config.feedback.judge.shots,
    )


def _note_task(store: Store, facts: TaskFacts, config: RunConfig) -> None:
    """Write down what the run stands on; refuse to go on with another task than it began with."""
    fingerprint = store.get("task_fingerprint")
    if fingerprint is None:
        store.put("task", facts.description.to_json())
        store.put("task_folder", facts.folder)
        store.put("versions", _versions(config))
        store.put("seeds", _seeds(config))
        store.put("task_fingerprint", facts.fingerprint)
    elif fingerprint != facts.fingerprint:
        raise RunError(
            f"the task in {facts.folder} has changed since this run began: its results would not "
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
    if config.looks.on and not config.looks.is_own:
        packages += _PACKAGES_THAT_SEE
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{package: version(package) for package in packages},
    }
