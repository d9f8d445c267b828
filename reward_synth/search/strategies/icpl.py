"""ICPL (Yu et al. 2024, "Few-shot In-context Preference Learning via LLMs"), section 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from reward_synth.feedback.annotations import Kind, Question
from reward_synth.propose.operators import Manner, Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.briefing import unscored_parent
from reward_synth.search.candidate import Candidate
from reward_synth.search.changes import difference
from reward_synth.search.config import SearchSettings


@dataclass(frozen=True, slots=True)
class Icpl:
    """Preferences are all there is: of each generation somebody names the best and the worst.

    Every sample is written from the last generation's two, the traces of their terms without
    the task's fitness, and what changed from one generation's best to the next's. K candidates
    take 2 K - 3 comparisons a generation, and G generations G - 1 to compare their best: 49 for
    the paper's 6 and 5. Three things differ from the paper:

    - It draws new programs until all K run. Here one that does not is sent back
      ``search.repairs`` times with the reason, and then the generation has one less.
    - It asks another model for the differences between good programs, in words. Here they are
      read off the programs.
    - Its code returns the program of the highest task metric. Here each generation's best is
      compared with the best of those before, and nobody else decides.

    Where several people have answered the same question, most of them decide, and the first of
    them where they are even. A question that is skipped is left out, and is not asked again:
    without a best, the generation is as if it had not been, and the next is written from what
    the last one was; without a worst, from the best alone; between bests, the earlier stays.
    """

    blind: ClassVar[bool] = True

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        rounds = [one for one in _rounds(archive) if one.best]
        if not rounds:
            brief = Brief(Operator.INITIAL, alike=True, manner=Manner.ICPL)
            return (brief,) * settings.candidates
        last = rounds[-1]
        brief = Brief(
            Operator.REVISE,
            (unscored_parent(archive[last.best]),),
            alike=True,
            manner=Manner.ICPL,
            contrast=unscored_parent(archive[last.worst]) if last.worst else None,
            differences=_differences([archive[one.best] for one in rounds]),
        )
        return (brief,) * settings.candidates

    def best(self, archive: Archive) -> Candidate | None:
        """Return the best of the generations' best; see ``Strategy.best``.

        Where nobody has named any, though all was asked, it is the first that was trained.
        """
        rounds = list(_rounds(archive))
        champions = [one.champion for one in rounds if one.champion]
        if champions:
            return archive[champions[-1]]
        return None if any(one.open for one in rounds) else next(iter(archive.scored), None)

    def question(self, archive: Archive) -> Question | None:
        """See ``Asking.question``."""
        return next((one.open for one in _rounds(archive) if one.open), None)

    def due(self, archive: Archive) -> int:
        """See ``Asking.due``."""
        if not archive.scored_in(archive.generations - 1):
            return 0
        return list(_rounds(archive))[-1].due


@dataclass(frozen=True, slots=True)
class _Round:
    """What a generation's videos led to.

    Attributes:
      best, worst: ids; "" while nobody has said, and where there is but one there is no worst.
      champion: the best of all generations so far.
      due: comparisons that its answers come down to, in all, without those that were left out.
      open: what is still to be answered.
    """

    best: str
    worst: str
    champion: str
    due: int
    open: Question | None = None


def _rounds(archive: Archive) -> Iterator[_Round]:
    """Go through the generations in which anything was trained, up to the first open question."""
    champion = ""
    for generation in range(archive.generations):
        ids = tuple(c.id for c in archive.scored_in(generation))
        if not ids:
            continue
        due = max(2 * len(ids) - 3, 0) + bool(champion)
        best = ids[0] if len(ids) == 1 else _named(archive, Question(Kind.BEST, ids))
        if best is None:
            yield _Round("", "", champion, due, Question(Kind.BEST, ids))
            return
        if not best:
            yield _Round("", "", champion, 0)
            continue
        others = tuple(id for id in ids if id != best)
        worst = (
            _named(archive, Question(Kind.WORST, others)) if len(others) > 1 else "".join(others)
        )
        if worst is None:
            yield _Round(best, "", champion, due, Question(Kind.WORST, others))
            return
        if not worst and others:
            due -= len(others) - 1
        between = Question(Kind.PAIR, (champion, best))
        winner = _named(archive, between) if champion else best
        if winner is None:
            yield _Round(best, worst, champion, due, between)
            return
        champion = winner or champion  # neither is better: the earlier stays
        yield _Round(best, worst, champion, due)


def _named(archive: Archive, question: Question) -> str | None:
    """Return the id that most have named, "" for none of them, None while nobody has answered.

    None of them is better where a pair is equal, and where the question was skipped and nobody
    has answered it.
    """
    wanted = set(question.candidates)
    about = [
        said
        for said in archive.said
        if set(said.candidates) == wanted and archive.rank_for in (None, said.who)
    ]
    answers = ["".join(said.answer) for said in about if said.kind is question.kind]
    if answers:
        return Counter(answers).most_common(1)[0][0]
    return "" if any(said.kind is Kind.SKIP for said in about) else None


def _differences(good: Sequence[Candidate]) -> tuple[str, ...]:
    found = []
    for one, other in pairwise(good):
        assert one.program is not None
        assert other.program is not None
        found.append(difference(one.program, other.program) or "nothing changed")
    return tuple(found)
