"""A run whose candidates were trained and filmed, as people find it when they are to label it."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import imageio.v2 as imageio
import numpy as np

from reward_synth.feedback.annotations import Annotation
from reward_synth.feedback.journal import Journal
from reward_synth.feedback.scores import score
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import FeedbackSettings, RunConfig, SearchSettings
from reward_synth.search.store import Spent, Store
from tests.report.synthetic_run import TASK, program, write_metrics

SECONDS, FPS = 1.2, 10


@functools.cache
def film(number: int, seconds: float = SECONDS) -> bytes:
    """An mp4 on which a bar moves, in a shade of grey of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with imageio.get_writer(path, fps=FPS, codec="libx264", macro_block_size=16) as writer:
            for frame in range(round(seconds * FPS)):
                picture = np.full((96, 128, 3), 40 + number * 37 % 200, np.uint8)
                picture[:, 8 * frame % 120 : 8 * frame % 120 + 8] = 255
                writer.append_data(picture)
        return path.read_bytes()


def begin(
    folder: Path,
    candidates: int = 4,
    *,
    strategy: str = "evolve",
    answers: int = 5,
    source: str = "people",
) -> Path:
    """A run that waits, after its first generation, for people to compare its candidates."""
    settings = SearchSettings(strategy=strategy, generations=3, candidates=candidates)
    feedback = FeedbackSettings(source=source, answers=answers)
    with Store.open(folder) as store:
        store.put("config", asdict(RunConfig(search=settings, feedback=feedback)))
        store.put("task", TASK.to_json())
        store.log("started")
    return generation(folder, 0, candidates)


def generation(folder: Path, number: int, candidates: int) -> Path:
    """One more generation, trained and filmed."""
    with Store.open(folder) as store:
        made = [_trained(folder, number, index) for index in range(candidates)]
        store.finish_job(f"gen_{number:02d}/train", {}, "training", Spent(), made)
        store.log("generation", number=number)
    return folder


def _trained(folder: Path, number: int, index: int) -> Candidate:
    rng = np.random.default_rng(index)
    candidate = Candidate(number, index, "initial", (), "offline", program(1.0 + index))
    place = folder / candidate.folder
    write_metrics(place, float(index), rng)
    (place / "rollout.mp4").write_bytes(film(index % 6))
    episodes = [index + rng.normal(size=10)]
    scored = score(episodes, [episodes[0] > index], [np.full(10, 200)])
    return replace(candidate, terms=("forward", "effort"), score=scored)


def said(folder: Path) -> list[Annotation]:
    """All that the run's journal holds."""
    with Journal.open(folder) as journal:
        return journal.read()
