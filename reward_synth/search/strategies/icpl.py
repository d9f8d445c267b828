"""ICPL (Yu et al. 2024, "Few-shot In-context Preference Learning via LLMs"), section 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import numpy as np

from reward_synth.feedback.preferences import Preference
from reward_synth.feedback.teachers import Choice, Oracle, Shown, Teacher, choose
from reward_synth.propose.differences import difference
from reward_synth.propose.operators import Manner, Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.briefing import unscored_parent
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings


@dataclass(frozen=True, slots=True)
class Icpl:
    """Preferences are all there is: of each generation a teacher names the best and the worst.

    Every sample is written from the last generation's two, the traces of their terms without
    the task's fitness, and what changed from one generation's best to the next's. K candidates
    take 2 K - 3 questions a generation, and G generations G - 1 at the end: 49 for the paper's
    6 and 5, some of which have been answered before. Three things differ from the paper:

    - It draws new programs until all K run. Here one that does not is sent back
      ``search.repairs`` times with the reason, and then the generation has one less.
    - It asks another model for the differences between good programs, in words. Here they are
      read off the programs.
    - Its code returns the program of the highest task metric. Here the teacher compares the
      generations' best, and nobody else decides.

    Attributes:
      teacher: stands in for the person.
    """

    teacher: Teacher = field(default_factory=Oracle)
    blind: ClassVar[bool] = True

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        rounds = self._rounds(archive)
        if not rounds:
            brief = Brief(Operator.INITIAL, alike=True, manner=Manner.ICPL)
            return (brief,) * settings.candidates
        last = rounds[-1]
        brief = Brief(
            Operator.REVISE,
            (unscored_parent(archive[last.best.id]),),
            alike=True,
            manner=Manner.ICPL,
            contrast=unscored_parent(archive[last.worst.id]) if last.worst else None,
            differences=_differences([archive[one.best.id] for one in rounds]),
        )
        return (brief,) * settings.candidates

    def best(self, archive: Archive) -> Candidate | None:
        """Return the best of the generations' best, to the teacher; see ``Strategy.best``."""
        rounds = self._rounds(archive)
        return archive[self._final(archive, rounds).id] if rounds else None

    def preferences(self, archive: Archive) -> tuple[Preference, ...]:
        """Return all answers that the decisions on an archive rest on, each once."""
        rounds = self._rounds(archive)
        choices = [c for one in rounds for c in (one.best, one.worst) if c]
        if rounds:
            choices.append(self._final(archive, rounds))
        return tuple(dict.fromkeys(p for choice in choices for p in choice.preferences))

    def _rounds(self, archive: Archive) -> list[_Round]:
        """Ask about each generation in which anything was trained to the end."""
        rounds = []
        for generation in range(archive.generations):
            shown = [_shown(c) for c in archive.scored_in(generation)]
            if not shown:
                continue
            best = choose(self.teacher, shown)
            others = [one for one in shown if one.id != best.id]
            worst = choose(self.teacher, others, worst=True) if others else None
            rounds.append(_Round(best, worst))
        return rounds

    def _final(self, archive: Archive, rounds: Sequence[_Round]) -> Choice:
        return choose(self.teacher, [_shown(archive[one.best.id]) for one in rounds])


@dataclass(frozen=True, slots=True)
class _Round:
    """What a generation's videos led to; ``worst`` is None where there was but one."""

    best: Choice
    worst: Choice | None


def _shown(candidate: Candidate) -> Shown:
    """Show the policy of the first training: what is trained later changes no answer."""
    assert candidate.score is not None
    return Shown(candidate.id, candidate.score.trainings[0])


def _differences(good: Sequence[Candidate]) -> tuple[str, ...]:
    found = []
    for one, other in pairwise(good):
        assert one.program is not None
        assert other.program is not None
        found.append(difference(one.program, other.program) or "nothing changed")
    return tuple(found)
