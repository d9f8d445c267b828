"""The process that trains: a ``Trainer`` behind a ``Worker``. Does not import JAX here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reward_synth.search.config import RunConfig
from reward_synth.search.worker import Worker

if TYPE_CHECKING:
    from reward_synth.search.trainings import Trainer

LOG = "training.log"


def training_process(config: RunConfig, folder: Path, cache: Path | None, stall_s: float) -> Worker:
    """Return the process that trains for the run in ``folder``; enter it to start it.

    Args:
      config: the run's settings.
      folder: the run's.
      cache: see ``configure_jax``.
      stall_s: see ``Worker``. Between two signs of life lies an iteration, or the compilation
        before the first one.
    """
    return Worker(make_trainer, (config, folder, cache), stall_s=stall_s, log=folder / LOG)


def make_trainer(
    config: RunConfig, folder: Path, cache: Path | None, on_progress: Callable[[int, float], None]
) -> Trainer:
    """Make a trainer, in the process in which it trains. Imports JAX.

    Raises:
      TaskError: the task cannot be used, or not with the backend.
    """
    from reward_synth.search.trainings import Trainer
    from reward_synth.task import load_task
    from reward_synth.train.setup import configure_jax

    configure_jax(cache)
    task = load_task(config.task)
    if config.backend == "mjx":
        from reward_synth.sim.mjx_support import check_mjx

        check_mjx(task)
    return Trainer(task, config, folder, on_progress)
