"""A candidate: a reward program with where it came from and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from reward_synth.feedback.scores import Score
from reward_synth.records import Rejection, RewardProgram, Stage


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place in a generation; its identity is the place, whatever happens to others.

    Attributes:
      generation, index: the place.
      operator: how it came about ("initial", "revise", "mutate", "crossover", ...).
      parents: ids of the candidates it was made from.
      author: the model that wrote it, or "offline".
      program: None if the answer could not be parsed.
      terms: names of the reward terms, once traced.
      rejection: why it was turned down; None if it was not.
      score: None until it was trained and evaluated.
      reflection: how its training went, in words; "" until then.
    """

    generation: int
    index: int
    operator: str
    parents: tuple[str, ...]
    author: str
    program: RewardProgram | None = None
    terms: tuple[str, ...] = ()
    rejection: Rejection | None = None
    score: Score | None = None
    reflection: str = ""

    @property
    def id(self) -> str:
        """Such as ``"g00c03"``."""
        return f"g{self.generation:02d}c{self.index:02d}"

    @property
    def folder(self) -> str:
        """Relative to the run folder, such as ``"gen_00/cand_03"``."""
        return f"gen_{self.generation:02d}/cand_{self.index:02d}"

    def rejected(self, rejection: Rejection) -> Candidate:
        """Return a copy that was turned down."""
        return replace(self, rejection=rejection)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``from_json`` inverts it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Candidate:
        """Rebuild a candidate from ``to_json``'s dictionary."""
        program, rejection, score = data["program"], data["rejection"], data["score"]
        return cls(
            **{
                **data,
                "parents": tuple(data["parents"]),
                "terms": tuple(data["terms"]),
                "program": program
                and RewardProgram(
                    program["source"],
                    program["rationale"],
                    tuple((name, value) for name, value in program["weights"]),
                ),
                "rejection": rejection
                and Rejection(Stage(rejection["stage"]), rejection["reason"]),
                "score": score and Score(**{**score, "trainings": tuple(score["trainings"])}),
            }
        )


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the scored candidates, fittest first, the earlier of equals first."""
    scored = [(-c.score.fitness, c.id, c) for c in candidates if c.score is not None]
    return [candidate for _, _, candidate in sorted(scored, key=lambda entry: entry[:2])]


def best_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the fittest candidate, the earlier of equals; None if none is scored."""
    return next(iter(ranked(candidates)), None)
