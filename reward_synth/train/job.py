"""One training job: members train together, continue where they were left, and are written down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reward_synth.files import atomic_write, save_arrays
from reward_synth.looks.steps import Looks
from reward_synth.records import Rejection
from reward_synth.task.task import Task
from reward_synth.train.config import PPOConfig
from reward_synth.train.history import write_history
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member, Population
from reward_synth.train.progress import Progress
from reward_synth.train.race import Race

Histories = list[list[dict[str, object]]]  # each member's iterations so far


def train(
    task: Task,
    members: Sequence[Member],
    folders: Sequence[Path],
    config: PPOConfig,
    steps: int,
    *,
    checkpoint: Path,
    threads: int = 0,
    backend: str = "cpu",
    race: Race | None = None,
    looks: Looks | None = None,
    checkpoint_s: float = 10.0,
    on_iteration: Callable[[int, Sequence[Progress | None]], None] = lambda done, progress: None,
) -> list[Policy | Rejection]:
    """Train members side by side; a job that was killed continues from its checkpoint.

    Continued or not, it ends with the same bits.

    Args:
      task: the task.
      members: rewards and seeds.
      folders: for each member, where its ``metrics.jsonl`` and ``policy.npz`` go.
      config: hyperparameters.
      steps: environment steps for each member, rounded down to whole iterations.
      checkpoint: file to continue from if it is there; removed at the end.
      threads: physics threads; 0 for all cores.
      backend: what simulates, "cpu" or "mjx".
      race: when members are left behind; None trains all to the end.
      looks: who scores pictures for the rewards that read scores; on "cpu" only.
      checkpoint_s: seconds between two checkpoints.
      on_iteration: told the steps done by all members together, and each one's progress.

    Returns:
      For each member its final policy, or why it was dropped. That of a member that was left
      behind is as it was then; its history says when, see ``Race.standings``.

    Raises:
      RewardSynthError: the device's memory is too small, or MJX is not installed.
      TaskError: the backend cannot simulate the task.
    """
    iterations = config.iterations(steps)
    population = Population(task, members, config, iterations, threads, backend, looks)
    history: Histories = [[] for _ in members]
    if checkpoint.is_file():
        history = _restore(population, checkpoint)
    saved = time.monotonic()
    _leave_behind(population, race, history)
    while population.iteration < iterations and population.running:
        progress = population.iterate()
        for lines, entry in zip(history, progress, strict=True):
            if entry is not None:
                lines.append(entry.to_json())
        on_iteration(sum(map(len, history)) * config.batch, progress)
        _leave_behind(population, race, history)
        if time.monotonic() - saved >= checkpoint_s:
            _save(population, history, checkpoint)
            saved = time.monotonic()
    results: list[Policy | Rejection] = []
    for learner, rejection, lines, folder in zip(
        population.learners, population.rejections, history, folders, strict=True
    ):
        write_history(folder, lines)
        if rejection is None:
            policy = Policy.of(learner)
            policy.save(folder / "policy.npz")
            results.append(policy)
        else:
            results.append(rejection)
    checkpoint.unlink(missing_ok=True)
    return results


def _leave_behind(population: Population, race: Race | None, history: Histories) -> None:
    if race is not None:
        for k, standings in enumerate(race.standings(history)):
            if standings and not standings[-1].kept:
                population.stop(k)


def _save(population: Population, history: Histories, path: Path) -> None:
    with atomic_write(path) as file:
        save_arrays(file, {"history": np.array(json.dumps(history)), **population.checkpoint()})


def _restore(population: Population, path: Path) -> Histories:
    with np.load(path) as arrays:
        saved = dict(arrays)
    population.restore(saved)
    return json.loads(str(saved["history"]))
