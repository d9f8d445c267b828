"""A run folder as the report sees it; everything in it may be missing but the folder's run.db."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from reward_synth.feedback.annotations import Annotation, standing
from reward_synth.feedback.estimates import Estimate
from reward_synth.feedback.scores import Score
from reward_synth.records import TaskDescription
from reward_synth.search.archive import Archive
from reward_synth.search.asking import archive_of
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import config_from_json
from reward_synth.search.store import INCUMBENT, Expense, Spent, Store
from reward_synth.train.history import METRICS, read_history

T = TypeVar("T")

CONTENDERS = ("found", "expert", "looks", "sparse")


@dataclass(frozen=True, slots=True)
class Result:
    """The final comparison.

    Attributes:
      best: id of the candidate that the search found.
      steps: environment steps of each training.
      scores: by reward, in the order of ``CONTENDERS``; "expert" and "looks"
        only where there are such.
      normalized: the human-normalised score, None if it is not defined.
    """

    best: str
    steps: int
    scores: dict[str, Score]
    normalized: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A training, iteration by iteration.

    Attributes:
      steps: (I,) environment steps.
      fitness: (I,) mean over the episodes that ended, NaN where none did.
      terms: (I,) for each reward term, its mean over the iteration.
    """

    steps: np.ndarray
    fitness: np.ndarray
    terms: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """How unlike rewards are.

    Attributes:
      ids: of N candidates.
      matrix: (N, N) EPIC distances (Gleave et al. 2021), 0 for the same and 1 for unrelated.
    """

    ids: tuple[str, ...]
    matrix: np.ndarray


@dataclass(frozen=True, slots=True)
class Incumbent:
    """What the search would have ended with after a generation, and what that had taken.

    Attributes:
      generation: the generation.
      best: the candidate that the strategy stood by; "" while nothing was trained to the end.
      estimate: of its fitness, as the run knew it then; None without a candidate.
      env_steps: until then.
      seconds: until then, of all sittings.
    """

    generation: int
    best: str
    estimate: Estimate | None
    env_steps: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What run.db holds; the files beside it are in the candidates' folders."""

    folder: Path
    version: str
    config: dict[str, Any]
    task: TaskDescription | None
    versions: dict[str, str]
    seeds: dict[str, Any]
    layers: tuple[dict[str, Any], ...]
    result: Result | None
    chosen: str
    candidates: tuple[Candidate, ...]
    estimates: Mapping[str, Estimate]
    expenses: tuple[Expense, ...]
    events: tuple[tuple[float, str, dict[str, Any]], ...]
    incumbents: tuple[Incumbent, ...]
    distances: Distances | None
    said: tuple[Annotation, ...]

    @property
    def name(self) -> str:
        """The task's name, or the folder's while the task is not recorded."""
        return self.task.name if self.task else self.folder.name

    @property
    def measure(self) -> str:
        """What estimates are of, in a word."""
        known = self.config.get("feedback", {}).get("fitness", True)
        return "fitness" if known else "preference"

    @property
    def scored(self) -> tuple[Candidate, ...]:
        """The trained candidates, best first."""
        trained = [c for c in self.candidates if c.id in self.estimates]
        return tuple(sorted(trained, key=self._standing, reverse=True))

    def _standing(self, candidate: Candidate) -> float:
        assert candidate.score is not None
        measured = math.isfinite(candidate.score.fitness)
        return candidate.score.fitness if measured else self.estimates[candidate.id].mean

    @property
    def best(self) -> Candidate | None:
        """The strategy's choice; in the first generation, the best so far by cautious estimate."""
        chosen = [self.result.best] if self.result else [self.chosen]
        chosen += [incumbent.best for incumbent in reversed(self.incumbents)]
        by_id = {c.id: c for c in self.candidates}
        leaders = sorted(self.scored, key=lambda c: -self.estimates[c.id].cautious)
        return next((by_id[id] for id in chosen if id in by_id), next(iter(leaders), None))

    @property
    def started(self) -> float | None:
        """When it began, Unix time; None if that is not recorded."""
        return self.events[0][0] if self.events else None

    @property
    def generations(self) -> dict[int, list[Candidate]]:
        """The candidates by generation, in order."""
        numbers = sorted({c.generation for c in self.candidates})
        return {n: [c for c in self.candidates if c.generation == n] for n in numbers}

    def curve(self, candidate: Candidate) -> Curve | None:
        """Return a candidate's training, None if there was none."""
        return read_curve(self.folder / candidate.folder)

    def spent(self) -> dict[str, Spent]:
        """Return what each purpose took, in the order in which they first arose."""
        sums: dict[str, Spent] = {}
        for entry in self.expenses:
            sums[entry.purpose] = sums.get(entry.purpose, Spent()) + entry.spent
        return sums


def read_run(folder: Path) -> Run:
    """Read a run folder, also while the run goes on.

    Raises:
      RunError: there is no run in ``folder``, or it is of another format.
    """
    with Store.read(folder) as store:
        candidates = tuple(store.candidates())
        events = tuple(store.events())
        return Run(
            folder=folder,
            version=store.get("version") or "",
            config=store.get("config") or {},
            task=_maybe(TaskDescription.from_json, store.get("task")),
            versions=store.get("versions") or {},
            seeds=store.get("seeds") or {},
            layers=tuple(store.get("layers") or ()),
            result=_maybe(_result, store.get("result")),
            chosen=store.get("best") or "",
            candidates=candidates,
            estimates=_estimates(store, candidates),
            expenses=tuple(store.expenses()),
            events=events,
            incumbents=tuple(_incumbent(detail) for _, kind, detail in events if kind == INCUMBENT),
            distances=_maybe(_distances, store.get("distances")),
            said=standing(store.journal.read()),
        )


def read_curve(folder: Path) -> Curve | None:
    """Read the training in a candidate's folder; None if there was none, or no iteration of it."""
    rows = read_history(folder) if (folder / METRICS).is_file() else []
    if not rows:
        return None
    names = list(rows[0]["terms"])
    return Curve(
        steps=np.array([row["steps"] for row in rows], float),
        fitness=_column([row["fitness"] for row in rows]),
        terms={name: _column([row["terms"].get(name) for row in rows]) for name in names},
    )


def _column(values: list[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], float)


def _maybe(read: Callable[[Any], T], data: object) -> T | None:
    return None if data is None else read(data)


def _estimates(store: Store, candidates: Sequence[Candidate]) -> dict[str, Estimate]:
    """Return estimates of fitness; of how much each is preferred where the run knows none."""
    settings = store.get("config")
    generations = 1 + max((c.generation for c in candidates), default=-1)
    if settings is not None and not settings.get("feedback", {}).get("fitness", True):
        return dict(archive_of(store, config_from_json(settings), generations).estimates)
    scored = tuple(c for c in candidates if c.score and math.isfinite(c.score.fitness))
    return dict(Archive(scored, generations).estimates)


def _incumbent(detail: Mapping[str, Any]) -> Incumbent:
    estimate = detail["estimate"]
    return Incumbent(
        detail["generation"],
        detail["best"] or "",
        Estimate(**estimate) if estimate else None,
        detail["env_steps"],
        detail["seconds"],
    )


def _distances(data: dict[str, Any]) -> Distances | None:
    """Return the distances between rewards that all have one; None if they are too few for a map.

    A reward that does not vary has a distance to no other.
    """
    ids, count = data["ids"], len(data["ids"])
    if count < 3:
        return None
    matrix = np.array(data["matrix"], float).reshape(count, count)
    known = np.isfinite(matrix).sum(1)
    kept = np.flatnonzero(known == known.max())
    matrix = matrix[np.ix_(kept, kept)]
    if len(kept) < 3 or not np.isfinite(matrix).all():
        return None
    return Distances(tuple(ids[i] for i in kept), matrix)


def _result(data: dict[str, Any]) -> Result:
    given = data["scores"]
    scores = {name: Score.from_json(given[name]) for name in CONTENDERS if given.get(name)}
    normalized = data.get("normalized")
    defined = normalized is not None and math.isfinite(normalized)
    return Result(data["best"], data["steps"], scores, normalized if defined else None)
