"""Synthetic teachers: they answer as a person might, from a fitness that nobody else sees.

After Lee et al. (2021), "B-Pref: Benchmarking Preference-Based Reinforcement Learning". A
method that learns from preferences is measured with them many times over before anybody is
asked for hours of attention.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit

from reward_synth.feedback.annotations import Annotation, Clip, Kind, Question, Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """A policy, or a segment of what it did, as a teacher is shown it.

    Attributes:
      id: what answers refer to.
      fitness: of what is shown; for synthetic teachers alone, who stand in for eyes.
    """

    id: str
    fitness: float


class Teacher(Protocol):
    """Says which of two does the task better.

    The same question has the same answer whenever and whichever way round it is asked, so
    that a run which is continued hears the same.
    """

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        ...

    def compare(self, one: Shown, other: Shown) -> Verdict:
        """Say which is better."""
        ...


@dataclass(frozen=True, slots=True)
class Oracle:
    """Names whichever has the higher fitness, and is never wrong."""

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        return "oracle"

    def compare(self, one: Shown, other: Shown) -> Verdict:
        """See ``Teacher.compare``; only the same fitness is equal."""
        if one.fitness == other.fitness:
            return Verdict.EQUAL
        return Verdict.FIRST if one.fitness > other.fitness else Verdict.SECOND


@dataclass(frozen=True, slots=True)
class Noisy:
    """Names the fitter of two the more surely the further they are apart (Bradley & Terry 1952).

    P(first) = sigmoid(rationality * (fitness of the first - fitness of the second)); B-Pref's
    stochastic teacher. At 0 it flips coins, towards infinity it is the oracle.

    Attributes:
      rationality: beta, by the unit of fitness: 1 / beta apart, it is right 73% of the time.
      seed: of its errors.
    """

    rationality: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rationality >= 0.0:
            raise ValueError(f"rationality is {self.rationality}; it must not be negative.")

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        return f"noisy ({self.rationality:g}, {self.seed})"

    def compare(self, one: Shown, other: Shown) -> Verdict:
        """See ``Teacher.compare``; an error is a property of the pair, not of the moment."""
        if one.id > other.id:
            return self.compare(other, one).turned
        gap = one.fitness - other.fitness
        # An infinite rationality leaves 0 * infinity where there is nothing to choose.
        first = expit(self.rationality * gap) if gap else 0.5
        return Verdict.FIRST if self._uniform(one.id, other.id) < first else Verdict.SECOND

    def _uniform(self, *ids: str) -> float:
        text = "\n".join((str(self.seed), *ids))
        digest = hashlib.sha256(text.encode()).digest()
        return float(np.random.default_rng(int.from_bytes(digest)).random())


def choose(teacher: Teacher, shown: Sequence[Shown], *, worst: bool = False) -> Shown:
    """Have a teacher find the best, or worst, of n: n - 1 comparisons, each with the best so far.

    Of equals, the earlier stays.

    Raises:
      ValueError: nothing is shown.
    """
    if not shown:
        raise ValueError("there is nothing to choose from.")
    leader, *others = shown
    for other in others:
        if teacher.compare(leader, other) is (Verdict.FIRST if worst else Verdict.SECOND):
            leader = other
    return leader


def respond(teacher: Teacher, question: Question, fitness: Mapping[str, float]) -> Annotation:
    """Have a teacher answer what a person could be asked.

    Args:
      teacher: who answers.
      question: a pair, or the best or worst of some.
      fitness: of each candidate, as the teacher sees it.
    """
    shown = [Shown(id, fitness[id]) for id in question.candidates]
    answer: tuple[str, ...]
    if question.kind is Kind.PAIR:
        verdict = teacher.compare(*shown)
        answers = {Verdict.FIRST: (shown[0].id,), Verdict.SECOND: (shown[1].id,)}
        answer = answers.get(verdict, ())
    else:
        answer = (choose(teacher, shown, worst=question.kind is Kind.WORST).id,)
    clips = tuple(Clip(id) for id in question.candidates)
    return Annotation(teacher.name, question.kind, clips, answer)
