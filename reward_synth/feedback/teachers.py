"""Synthetic teachers: they answer as a person might, from a fitness that nobody else sees.

After Lee et al. (2021), "B-Pref: Benchmarking Preference-Based Reinforcement Learning",
arXiv:2111.03026. A method that learns from preferences is measured with them many times over
before anybody is asked for hours of attention. Teachers are put together: B-Pref's algorithm 1,
SimTeacher, with all its faults is
``Skipping(Indifferent(Mistaken(Myopic(Noisy(beta), gamma), eps), equal), skip)``.

B-Pref's thresholds are a share of the average return that the policy has at the time. Where
returns are negative so are its thresholds: whoever should skip never does, and nothing is ever
equal. Its code also multiplies both by their share twice from the second session on, so that
0.1 means 0.01. Here a threshold is a fitness, given once; ``threshold`` finds one that means the
same wherever fitness has its zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
      steps: of each step, in order, where it is a segment; what a myopic teacher needs.
    """

    id: str
    fitness: float
    steps: tuple[float, ...] = ()


class Teacher(Protocol):
    """Says which of two does the task better.

    The same question has the same answer whenever and whichever way round it is asked, so
    that a run which is continued hears the same.
    """

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        ...

    def compare(self, one: Shown, other: Shown) -> Verdict | None:
        """Say which is better; None to skip the question."""
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
        return Verdict.FIRST if _uniform(self.seed, one.id, other.id) < first else Verdict.SECOND


@dataclass(frozen=True, slots=True)
class Mistaken:
    """Says the opposite of what another teacher would, now and then: B-Pref's mistake.

    Attributes:
      teacher: who would answer.
      rate: epsilon, the share of its verdicts that are turned; there is nothing to turn in a tie.
      seed: of the mistakes.
    """

    teacher: Teacher
    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError(f"the rate of mistakes is {self.rate}; it is a share, from 0 to 1.")

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        return f"mistaken ({self.rate:g}, {self.seed}) {self.teacher.name}"

    def compare(self, one: Shown, other: Shown) -> Verdict | None:
        """See ``Teacher.compare``; a mistake is a property of the pair, not of the moment."""
        verdict = self.teacher.compare(one, other)
        ids = sorted((one.id, other.id))
        # Not the draw of a noisy teacher with the same seed, which would err where it errs.
        wrong = verdict is not None and _uniform(self.seed, "mistake", *ids) < self.rate
        return verdict.turned if verdict and wrong else verdict


@dataclass(frozen=True, slots=True)
class Myopic:
    """Remembers the end of a segment best: B-Pref's myopic teacher.

    Another teacher answers, by the sum over t of discount^(L - 1 - t) times the fitness of step t.
    Unlike B-Pref's, it may be asked of segments that are not equally long.

    Attributes:
      teacher: who answers.
      discount: gamma, in (0, 1]; at 1 all steps count alike.
    """

    teacher: Teacher
    discount: float

    def __post_init__(self) -> None:
        if not 0.0 < self.discount <= 1.0:
            raise ValueError(f"the discount is {self.discount}; it is above 0 and at most 1.")

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        return f"myopic ({self.discount:g}) {self.teacher.name}"

    def compare(self, one: Shown, other: Shown) -> Verdict | None:
        """See ``Teacher.compare``.

        Raises:
          ValueError: one of the two has no steps.
        """
        return self.teacher.compare(self._remembered(one), self._remembered(other))

    def _remembered(self, shown: Shown) -> Shown:
        if not shown.steps:
            raise ValueError(f"a myopic teacher needs the fitness of each step of {shown.id}.")
        weights = self.discount ** np.arange(len(shown.steps) - 1, -1, -1.0)
        return replace(shown, fitness=float(weights @ shown.steps))


@dataclass(frozen=True, slots=True)
class Skipping:
    """Does not judge between two that both are too bad to be judged: B-Pref's skip.

    Attributes:
      teacher: who answers otherwise.
      threshold: fitness that the better of the two must have; may be negative.
    """

    teacher: Teacher
    threshold: float

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        return f"skipping ({self.threshold:g}) {self.teacher.name}"

    def compare(self, one: Shown, other: Shown) -> Verdict | None:
        """See ``Teacher.compare``."""
        if max(one.fitness, other.fitness) < self.threshold:
            return None
        return self.teacher.compare(one, other)


@dataclass(frozen=True, slots=True)
class Indifferent:
    """Calls two equal that are hardly apart: B-Pref's equal.

    Attributes:
      teacher: who answers otherwise.
      threshold: difference in fitness from which on it sees one.
    """

    teacher: Teacher
    threshold: float

    def __post_init__(self) -> None:
        if not self.threshold >= 0.0:
            raise ValueError(f"the threshold is {self.threshold}; no difference is negative.")

    @property
    def name(self) -> str:
        """What its answers are signed with."""
        return f"indifferent ({self.threshold:g}) {self.teacher.name}"

    def compare(self, one: Shown, other: Shown) -> Verdict | None:
        """See ``Teacher.compare``."""
        if abs(one.fitness - other.fitness) < self.threshold:
            return Verdict.EQUAL
        return self.teacher.compare(one, other)


def threshold(fitness: Sequence[float], share: float) -> float:
    """Return a share of the way from the worst fitness to the average one.

    Of what is shown, that is a difference that an ``Indifferent`` teacher may not see, and above
    the worst it is where a ``Skipping`` one begins to judge: min(fitness) + threshold(...). Where
    the worst fitness is 0, both are B-Pref's.

    Raises:
      ValueError: there is no fitness.
    """
    if not len(fitness):
        raise ValueError("there is no fitness to take a share of.")
    return share * (float(np.mean(fitness)) - min(fitness))


def _uniform(seed: int, *parts: str) -> float:
    """Return a number in [0, 1) that a question always has, on every machine."""
    digest = hashlib.sha256("\n".join((str(seed), *parts)).encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest)).random())


def choose(teacher: Teacher, shown: Sequence[Shown], *, worst: bool = False) -> Shown | None:
    """Have a teacher find the best, or worst, of n: n - 1 comparisons, each with the best so far.

    Of equals, the earlier stays, as it does where the teacher skips.

    Returns:
      The chosen one; None where the teacher skipped all comparisons.

    Raises:
      ValueError: nothing is shown.
    """
    if not shown:
        raise ValueError("there is nothing to choose from.")
    leader, *others = shown
    verdicts = []
    for other in others:
        verdicts.append(teacher.compare(leader, other))
        if verdicts[-1] is (Verdict.FIRST if worst else Verdict.SECOND):
            leader = other
    return leader if not others or any(verdicts) else None


def respond(
    teacher: Teacher,
    question: Question,
    fitness: Mapping[str, float],
    steps: Mapping[str, Sequence[float]] | None = None,
) -> Annotation:
    """Have a teacher answer what a person could be asked.

    Args:
      teacher: who answers.
      question: a pair, or the best or worst of some.
      fitness: of each candidate, as the teacher sees it.
      steps: the same by steps, which a myopic teacher needs.

    Returns:
      The answer; a SKIP where the teacher says nothing.
    """
    steps = steps or {}
    shown = [Shown(id, fitness[id], tuple(steps.get(id, ()))) for id in question.candidates]
    clips = tuple(Clip(id) for id in question.candidates)
    answer: tuple[str, ...]
    if question.kind is Kind.PAIR:
        verdict = teacher.compare(*shown)
        answers = {Verdict.FIRST: (shown[0].id,), Verdict.SECOND: (shown[1].id,)}
        skips, answer = verdict is None, answers.get(verdict, ()) if verdict else ()
    else:
        chosen = choose(teacher, shown, worst=question.kind is Kind.WORST)
        skips, answer = chosen is None, (chosen.id,) if chosen else ()
    if skips:
        return Annotation(teacher.name, Kind.SKIP, clips)
    return Annotation(teacher.name, question.kind, clips, answer)
