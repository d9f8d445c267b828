"""Who trains for a run: a ``Trainer``, in a process of its own or in this one. No JAX here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reward_synth.feedback.annotations import Annotation
from reward_synth.files import cache_folder
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.costs import TaskFacts
from reward_synth.search.listener import Comparison
from reward_synth.search.rungs import Ladder
from reward_synth.search.store import Spent
from reward_synth.search.worker import Worker

if TYPE_CHECKING:
    from reward_synth.search.trainings import Trainer
    from reward_synth.task.task import Task

LOG = "training.log"

# (environment steps done by all members, their best mean fitness just now)
OnProgress = Callable[[int, float], None]
Generation = tuple[list[Candidate], Spent]


class Training(Protocol):
    """What the loop has done for it; see ``trainings.Trainer`` for what each method does."""

    def facts(self) -> TaskFacts: ...  # noqa: D102

    def explore(self) -> None: ...  # noqa: D102

    def screen(  # noqa: D102
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate]
    ) -> list[Candidate]: ...

    def preselect(  # noqa: D102
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate], places: int
    ) -> list[Candidate]: ...

    def distances(self, candidates: Sequence[Candidate]) -> dict[str, list]: ...  # noqa: D102

    def generation(  # noqa: D102
        self, candidates: Sequence[Candidate], ladder: Ladder, checkpoint: str
    ) -> Generation: ...

    def sight(  # noqa: D102
        self, candidates: Sequence[Candidate]
    ) -> dict[str, tuple[float, ...]]: ...

    def remarks(  # noqa: D102
        self, said: Sequence[Annotation], candidates: Sequence[Candidate]
    ) -> dict[str, str]: ...

    def fits(  # noqa: D102
        self,
        said: Sequence[Annotation],
        candidates: Sequence[Candidate],
        leaders: Sequence[Candidate],
    ) -> dict[str, list[float]]: ...

    def rerun(self, candidates: Sequence[Candidate], checkpoint: str) -> Generation: ...  # noqa: D102

    def comparison(self, best: Candidate) -> tuple[Comparison, Spent]: ...  # noqa: D102


class TrainingProcess:
    """Calls a ``Trainer`` that lives in a worker process; implements ``Training``.

    Every method raises ``WorkerError`` if the process hung or crashed.
    """

    def __init__(self, worker: Worker, on_progress: OnProgress) -> None:
        self._worker = worker
        self._on_progress = on_progress

    def _call(self, method: str, *args: object) -> Any:  # noqa: ANN401
        return self._worker.call(method, *args, on_progress=self._on_progress)

    def facts(self) -> TaskFacts:
        """See ``Trainer.facts``."""
        return self._call("facts")

    def explore(self) -> None:
        """See ``Trainer.explore``."""
        self._call("explore")

    def screen(
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate]
    ) -> list[Candidate]:
        """See ``Trainer.screen``."""
        return self._call("screen", candidates, earlier)

    def preselect(
        self, candidates: Sequence[Candidate], earlier: Sequence[Candidate], places: int
    ) -> list[Candidate]:
        """See ``Trainer.preselect``."""
        return self._call("preselect", candidates, earlier, places)

    def distances(self, candidates: Sequence[Candidate]) -> dict[str, list]:
        """See ``Trainer.distances``."""
        return self._call("distances", candidates)

    def generation(
        self, candidates: Sequence[Candidate], ladder: Ladder, checkpoint: str
    ) -> Generation:
        """See ``Trainer.generation``."""
        return self._call("generation", candidates, ladder, checkpoint)

    def sight(self, candidates: Sequence[Candidate]) -> dict[str, tuple[float, ...]]:
        """See ``Trainer.sight``."""
        return self._call("sight", candidates)

    def remarks(
        self, said: Sequence[Annotation], candidates: Sequence[Candidate]
    ) -> dict[str, str]:
        """See ``Trainer.remarks``."""
        return self._call("remarks", said, candidates)

    def fits(
        self,
        said: Sequence[Annotation],
        candidates: Sequence[Candidate],
        leaders: Sequence[Candidate],
    ) -> dict[str, list[float]]:
        """See ``Trainer.fits``."""
        return self._call("fits", said, candidates, leaders)

    def rerun(self, candidates: Sequence[Candidate], checkpoint: str) -> Generation:
        """See ``Trainer.rerun``."""
        return self._call("rerun", candidates, checkpoint)

    def comparison(self, best: Candidate) -> tuple[Comparison, Spent]:
        """See ``Trainer.comparison``."""
        return self._call("comparison", best)


@contextmanager
def training_for(config: RunConfig, folder: Path, on_progress: OnProgress) -> Iterator[Training]:
    """Yield who trains for the run in ``folder``.

    Args:
      config: the run's settings.
      folder: the run's.
      on_progress: told how far a training is; what it raises ends the training.
    """
    cache = cache_folder() / "xla"
    if not config.isolate:
        with closing(make_trainer(config, folder, cache, on_progress)) as trainer:
            yield trainer
        return
    worker = Worker(make_trainer, (config, folder, cache), stall_s=config.stall_s, log=folder / LOG)
    with worker:
        yield TrainingProcess(worker, on_progress)


def make_trainer(
    config: RunConfig, folder: Path, cache: Path | None, on_progress: OnProgress
) -> Trainer:
    """Make a trainer, in the process in which it trains. Imports JAX.

    Raises:
      TaskError: the task cannot be used, or not with the backend.
      RewardSynthError: pictures are to be scored, and cannot be.
    """
    from reward_synth.search.trainings import Trainer
    from reward_synth.task import load_task
    from reward_synth.train.setup import configure_jax

    configure_jax(cache)
    task = load_task(config.task)
    task = replace(task, randomisation=config.randomise.over(task.randomisation) or None)
    if config.backend == "mjx":
        from reward_synth.sim.mjx_support import check_mjx

        check_mjx(task)
    if config.looks.on:
        from reward_synth.search.looks import Eyes

        eyes = Eyes(task, config, folder, on_progress)
        return Trainer(eyes.task, _seen(eyes.task, config), config, folder, eyes.progress, eyes)
    return Trainer(task, _seen(task, config), config, folder, on_progress)


def _seen(task: Task, config: RunConfig) -> Task:
    """Return the task as the search may know it."""
    return task if config.feedback.fitness else task.unmeasured
