"""What the page shows beside the question: the run as it stands, and who has said how much."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reward_synth.feedback.annotations import CHOICES, Annotation, Kind
from reward_synth.feedback.crowd import Concord, Consistency, concords, consistency
from reward_synth.feedback.queries import AnswersLeft
from reward_synth.label.desk import LONGEST_NAME, Desk
from reward_synth.report import nodes, programs
from reward_synth.report.curves import drawings
from reward_synth.report.opinions import Opinions, opinions
from reward_synth.report.run import Run, read_run
from reward_synth.report.templates import environment
from reward_synth.report.tree import family_tree, is_large
from reward_synth.search.asking import Inquiry
from reward_synth.search.candidate import Candidate
from reward_synth.search.store import Store

_HERE = Path(__file__).resolve().parent
_MOMENT_S = 15.0  # for which an estimate of what is left to say is good enough


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one source has said so far.

    Attributes:
      name: a person's, a model's or a teacher's.
      choices, remarks: that hold; remarks are words and marked segments.
      consistency: of what they said of the same pair twice.
      reliability: as the ranking has learned it; None before they compared anything.
      agreement: with the one who looks; None with themselves and where they share no pair.
    """

    name: str
    choices: int
    remarks: int
    consistency: Consistency | None
    reliability: float | None
    agreement: Concord | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """All who have said anything, and what is left to say.

    Attributes:
      annotators: in the order in which they first spoke.
      opinions: of all, and how far models and people agree.
      left: how many more answers by the one who looks settle who is best.
    """

    annotators: tuple[Annotator, ...]
    opinions: Opinions
    left: AnswersLeft


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an annotator was told last about all others.

    Attributes:
      asked: of which state of the run.
      text: the part of the page.
      left: what is left to say.
      left_of: of which state of the run that is.
      when: it was estimated.
    """

    asked: Inquiry
    text: str
    left: AnswersLeft
    left_of: Inquiry
    when: float


class Panel:
    """Renders parts of the page; what has not changed is not computed again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._folder = desk.folder
        self._environment = environment(_HERE / "templates")
        self._environment.globals.update(sign=nodes.sign)
        self._run: tuple[object, str] = (None, "")
        self._people: dict[str, _Seen] = {}

    def page(self) -> str:
        """Return the page itself, which its script fills."""
        run = read_run(self._folder)
        return self._render(
            "label.html.j2", run=run, longest_name=LONGEST_NAME, key=run.folder.resolve().name
        )

    def run(self) -> str:
        """Return the state of the run: the generation, the best reward, the tree."""
        with Store.read(self._folder) as store:
            state = len(store.events()), len(store.ledger()), store.candidates(), len(store.journal)
        before, text = self._run
        if before != state:
            text = self._state(read_run(self._folder))
            self._run = state, text
        return text

    def people(self, who: str) -> str:
        """Return who has said how much, how far they agree, and what is left to say.

        What is left takes long to estimate: it may be that of a moment ago.
        """
        asked, seen, now = self._desk.inquiry(), self._people.get(who), time.monotonic()
        if asked is None:
            return ""
        if seen is None or (seen.left_of is not asked and now - seen.when > _MOMENT_S):
            left = asked.left(who)
            seen = _Seen(asked, self._crowd(asked, who, left), left, asked, now)
        elif seen.asked is not asked:
            seen = replace(seen, asked=asked, text=self._crowd(asked, who, seen.left))
        self._people[who] = seen
        return seen.text

    def _crowd(self, asked: Inquiry, who: str, left: AnswersLeft) -> str:
        return self._render("people.html.j2", crowd=crowd(asked, who, left), who=who)

    def candidate(self, id: str) -> str | None:
        """Return what is known of a candidate, None if there is no such one."""
        run = read_run(self._folder)
        found = next((c for c in run.candidates if c.id == id), None)
        return None if found is None else self._render("candidate.html.j2", **_about(run, found))

    def _state(self, run: Run) -> str:
        best, settings = run.best, run.config.get("search", {})
        return self._render(
            "run.html.j2",
            run=run,
            measure=run.measure,
            planned=settings.get("generations", 0),
            best=_about(run, best) if best else None,
            tree=family_tree(run.candidates, run.estimates, best.id if best else "")
            if run.candidates
            else "",
            legend=nodes.LEGEND if is_large(run.candidates) else (),
        )

    def _render(self, template: str, **content: Any) -> str:  # noqa: ANN401
        return self._environment.get_template(template).render(content)


def crowd(asked: Inquiry, who: str, left: AnswersLeft) -> Crowd:
    """Return what annotators have said, as one of them sees it, with what is left to say."""
    pairs, said = asked.archive.compared, asked.archive.said
    repeats, agreements = consistency(pairs), concords(pairs)
    reliability = asked.archive.preferred.reliability
    names = dict.fromkeys(one.who for one in said)
    return Crowd(
        tuple(
            Annotator(
                name,
                *_counts(one for one in said if one.who == name),
                repeats.get(name),
                reliability.get(name),
                agreements.get((min(name, who), max(name, who))),
            )
            for name in names
        ),
        opinions(said),
        left,
    )


def _counts(said: Iterable[Annotation]) -> tuple[int, int]:
    kinds = Counter(one.kind for one in said)
    choices = sum(kinds[kind] for kind in (*CHOICES, Kind.RANKING))
    return choices, kinds[Kind.TEXT] + kinds[Kind.SEGMENT]


def _about(run: Run, candidate: Candidate) -> dict[str, Any]:
    curve = run.curve(candidate)
    program = candidate.program
    estimate = run.estimates.get(candidate.id)
    return {
        "candidate": candidate,
        "measure": run.measure,
        "outcome": nodes.outcome(candidate, estimate),
        "estimate": estimate,
        "curves": drawings(curve) if curve else Markup(""),
        "code": programs.highlighted(program.source) if program else "",
    }
