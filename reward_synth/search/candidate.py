"""A candidate: a reward program with where it came from and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import Any

from reward_synth.feedback.agreement import Finish
from reward_synth.feedback.audit import did_well
from reward_synth.feedback.scores import Score
from reward_synth.records import Finding, Rejection, RewardProgram, Stage
from reward_synth.train.race import Standing


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place in a generation; its identity is the place, whatever happens to others.

    Attributes:
      generation, index: the place.
      operator: how it came about: an ``Operator``, and after a colon what the proposer did.
      parents: ids of the candidates it was made from, the one that was changed first.
      author: the model that wrote it, as the server names it, or "offline".
      program: None if the answer could not be parsed.
      terms: names of the reward terms, once traced.
      lineage: its line of descent.
      findings: what the screens noticed.
      audited: whether a screen turned it down and it was trained all the same, to see how
        often screens are wrong.
      judgement: how well it goes with the fitness of recorded steps, from -1 to 1, where there
        were more proposals than could be trained; see ``search.preselection``.
      rejection: why it was turned down; None if it was not.
      composition: how ``train.transform`` composed its terms, in a sentence; "" as written.
      standings: at the rungs of its race, in their order.
      wildcard: whether it was to be trained to the end however it stood, to see how often the
        race is wrong.
      score: None until it was trained to the end and evaluated.
      reflection: how its training went, in words; "" until then.
      model: the model that was asked, as the user names it; "" if none answered.
      tokens, dollars: that its answers took, repairs included; 0 where nobody counts or knows.
    """

    generation: int
    index: int
    operator: str
    parents: tuple[str, ...]
    author: str
    program: RewardProgram | None = None
    terms: tuple[str, ...] = ()
    lineage: int = 0
    findings: tuple[Finding, ...] = ()
    audited: bool = False
    judgement: float | None = None
    rejection: Rejection | None = None
    composition: str = ""
    standings: tuple[Standing, ...] = ()
    wildcard: bool = False
    score: Score | None = None
    reflection: str = ""
    model: str = ""
    tokens: int = 0
    dollars: float = 0.0

    @property
    def id(self) -> str:
        """Such as ``"g00c03"``."""
        return f"g{self.generation:02d}c{self.index:02d}"

    @property
    def folder(self) -> str:
        """Relative to the run folder, such as ``"gen_00/cand_03"``."""
        return f"gen_{self.generation:02d}/cand_{self.index:02d}"

    @property
    def trains(self) -> bool:
        """Whether it is trained: it was not turned down, or is an audited reject of a screen."""
        return self.rejection is None or (self.audited and self.rejection.stage is Stage.SCREEN)

    @property
    def passed_over(self) -> bool:
        """Whether others of its generation were drawn to be trained in its place."""
        return self.rejection is not None and self.rejection.stage is Stage.CHOICE

    @property
    def kind(self) -> str:
        """The operator, without what the proposer did."""
        return self.operator.split(":")[0].split(",")[0]

    @property
    def cut(self) -> bool:
        """Whether it was left behind at a rung of its race."""
        return any(not standing.kept for standing in self.standings)

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
                "findings": tuple(Finding(**finding) for finding in data["findings"]),
                "standings": tuple(Standing(**standing) for standing in data["standings"]),
                "rejection": rejection
                and Rejection(Stage(rejection["stage"]), rejection["reason"]),
                "score": score and Score.from_json(score),
            }
        )


def best_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate of the highest measured fitness, the earlier of equals, or None."""
    scored = [(-c.score.fitness, c.id, c) for c in candidates if c.score is not None]
    return min(scored, key=lambda entry: entry[:2], default=(0.0, "", None))[2]


def finishes(
    candidates: Iterable[Candidate], end: Callable[[Score], float] = attrgetter("fitness")
) -> list[Finish]:
    """Return, for each rung, the candidates that trained on from it to the end.

    Args:
      candidates: of any generations.
      end: what counts at the end; a candidate's fitness over all of its trainings.
    """
    return [
        Finish(c.generation, rung, standing.low, end(c.score), c.wildcard)
        for c in candidates
        if c.score is not None
        for rung, standing in enumerate(c.standings)
    ]


def audits(candidates: Sequence[Candidate]) -> list[bool]:
    """Return of each audited candidate whether it did as well as its generation's median.

    The median is of the others that were trained to the end; an audited candidate that the
    race cut, or whose training failed, did not reach it. One still to be trained, or without
    others to compare with, is left out.
    """
    outcomes = []
    for candidate in candidates:
        others = [
            c.score.fitness
            for c in candidates
            if c.generation == candidate.generation and c.score is not None and not c.audited
        ]
        # It keeps the rejection by a screen, unless its training gives a reason of its own.
        over = candidate.score or candidate.cut or not candidate.trains
        if candidate.audited and others and over:
            outcomes.append(did_well(candidate.score and candidate.score.fitness, others))
    return outcomes
