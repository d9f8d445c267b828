"""Who hears how a run goes: the command line's progress display, a web page, a test."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from reward_synth.feedback.scores import Score
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import BudgetSettings
from reward_synth.search.store import Spent


@dataclass(frozen=True, slots=True)
class Tick:
    """How far the present training is.

    Attributes:
      done, total: environment steps, of all its members together.
      fitness: the best member's mean fitness in training just now, NaN if no episode ended yet.
      spent: by the whole run so far, this training included.
      budget: what the run may take.
    """

    done: int
    total: int
    fitness: float
    spent: Spent
    budget: BudgetSettings


@dataclass(frozen=True, slots=True)
class Comparison:
    """The final comparison, from scratch with fresh seeds at equal steps.

    Attributes:
      steps: environment steps of each training.
      scores: by reward: "found", "expert" (if the task has one), "looks" (if pictures are
        scored: by them alone) and "sparse".
      normalized: the human-normalised score of the found reward; None without an expert,
        or where its trainings cannot be told from the sparse reward's.
    """

    steps: int
    scores: dict[str, Score]
    normalized: float | None


def comparison_json(comparison: Comparison, best: Candidate) -> dict[str, Any]:
    """Return the comparison as it stands in the store."""
    return {
        "best": best.id,
        "steps": comparison.steps,
        "scores": {name: asdict(value) for name, value in comparison.scores.items()},
        "normalized": comparison.normalized,
    }


def comparison_from_json(data: dict[str, Any]) -> Comparison:
    """Rebuild the comparison from ``comparison_json``'s dictionary."""
    scores = {name: Score.from_json(value) for name, value in data["scores"].items()}
    return Comparison(data["steps"], scores, data["normalized"])


class Listener(Protocol):
    """Called by the loop, in its thread."""

    def notice(self, text: str) -> None:
        """Show something the user should know, once: the model, the sandbox's layers, a budget."""
        ...

    def training(self, title: str) -> None:
        """A training begins, such as "generation 2/3: training 6 candidates"."""
        ...

    def tick(self, tick: Tick) -> None:
        """The training goes on; called about once a second or more often."""
        ...

    def trained(self) -> None:
        """The training is over."""
        ...

    def generation(self, archive: Archive, best: Candidate | None, total: int) -> None:
        """A generation is scored, the last in the archive; the search would end with ``best``."""
        ...

    def comparison(self, comparison: Comparison, best: Candidate) -> None:
        """The final comparison is done."""
        ...


class Silence:
    """A listener that does nothing; implements ``Listener``."""

    def notice(self, text: str) -> None:
        """See ``Listener.notice``."""

    def training(self, title: str) -> None:
        """See ``Listener.training``."""

    def tick(self, tick: Tick) -> None:
        """See ``Listener.tick``."""

    def trained(self) -> None:
        """See ``Listener.trained``."""

    def generation(self, archive: Archive, best: Candidate | None, total: int) -> None:
        """See ``Listener.generation``."""

    def comparison(self, comparison: Comparison, best: Candidate) -> None:
        """See ``Listener.comparison``."""
