"""What the page shows beside the question: the run as it stands, and who has said how much."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reward_synth.feedback.annotations import CHOICES, Annotation, Kind
from reward_synth.feedback.crowd import Concord, Consistency, concord, concords, consistency
from reward_synth.feedback.queries import AnswersLeft
from reward_synth.label.desk import LONGEST_NAME
from reward_synth.report import nodes, programs, words
from reward_synth.report.curves import drawings
from reward_synth.report.run import Run, read_run
from reward_synth.report.tree import family_tree, is_large
from reward_synth.search.asking import Inquiry, inquiry
from reward_synth.search.candidate import Candidate
from reward_synth.search.store import Store

_HERE = Path(__file__).resolve().parent
_MOMENT_S = 15.0
_ENOUGH = 5  # pairs that two have both judged before their agreement is worth a number


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one source has said so far.

    Attributes:
      name: a person's, a model's or a teacher's.
      choices, skips, remarks: that hold; remarks are words and marked segments.
      consistency: of what they said of the same pair twice.
      reliability: as the ranking has learned it; None before they compared anything.
      agreement: with the one who looks; None with themselves and where they share no pair.
    """

    name: str
    choices: int
    skips: int
    remarks: int
    consistency: Consistency | None
    reliability: float | None
    agreement: Concord | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """All who have said anything, and what is left to say.

    Attributes:
      annotators: in the order in which they first spoke.
      agreement: among all.
      left: how many more answers by the one who looks settle who is best.
    """

    annotators: tuple[Annotator, ...]
    agreement: Concord
    left: AnswersLeft


class Panel:
    """Renders parts of the page; what has not changed is not computed again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = Environment(
            loader=FileSystemLoader([_HERE / "templates", _HERE.parent / "report"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            number=words.number, percent=words.percent, count=words.count
        )
        self._environment.globals.update(plural=words.plural, between=words.between)
        self._kept: dict[str, tuple[object, str]] = {}
        self._left: dict[str, tuple[float, AnswersLeft]] = {}

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
        return self._remembered("run", state, lambda: self._run(read_run(self._folder)))

    def people(self, who: str) -> str:
        """Return who has said how much, how far they agree, and what is left to say."""
        with Store.read(self._folder) as store:
            asked, state = inquiry(store), (len(store.journal), len(store.candidates()))
        if asked is None:
            return ""
        left = self._answers_left(asked, who)
        return self._remembered(
            f"people {who}",
            (state, asked.generation, left),
            lambda: self._render(
                "people.html.j2", crowd=crowd(asked, who, left), who=who, least=_ENOUGH
            ),
        )

    def candidate(self, id: str) -> str | None:
        """Return what is known of a candidate, None if there is no such one."""
        run = read_run(self._folder)
        found = next((c for c in run.candidates if c.id == id), None)
        return None if found is None else self._render("candidate.html.j2", **_about(run, found))

    def _run(self, run: Run) -> str:
        best, settings = run.best, run.config.get("search", {})
        return self._render(
            "run.html.j2",
            run=run,
            measure=measure(run),
            planned=settings.get("generations", 0),
            best=_about(run, best) if best else None,
            tree=family_tree(run.candidates, run.estimates, best.id if best else "")
            if run.candidates
            else "",
            legend=nodes.LEGEND if is_large(run.candidates) else (),
        )

    def _answers_left(self, asked: Inquiry, who: str) -> AnswersLeft:
        """Return how much is left to say, as of now or a moment ago: it takes long to estimate."""
        when, left = self._left.get(who, (-math.inf, None))
        if left is None or time.monotonic() - when > _MOMENT_S:
            left = asked.left(who)
            self._left[who] = time.monotonic(), left
        return left

    def _render(self, template: str, **content: Any) -> str:  # noqa: ANN401
        return self._environment.get_template(template).render(content)

    def _remembered(self, name: str, state: object, make: Callable[[], str]) -> str:
        """Return what was made last, if it was in the same state."""
        before, text = self._kept.get(name, (None, ""))
        if before != state:
            text = make()
            self._kept[name] = state, text
        return text


def measure(run: Run) -> str:
    """Return what a run's estimates are of, in a word."""
    return "fitness" if run.config.get("feedback", {}).get("fitness", True) else "preference"


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
        concord(pairs),
        left,
    )


def _counts(said: Iterable[Annotation]) -> tuple[int, int, int]:
    kinds = Counter(one.kind for one in said)
    choices = sum(kinds[kind] for kind in (*CHOICES, Kind.RANKING))
    return choices, kinds[Kind.SKIP], kinds[Kind.TEXT] + kinds[Kind.SEGMENT]


def _about(run: Run, candidate: Candidate) -> dict[str, Any]:
    curve = run.curve(candidate)
    program = candidate.program
    estimate = run.estimates.get(candidate.id)
    return {
        "candidate": candidate,
        "measure": measure(run),
        "outcome": nodes.outcome(candidate, estimate),
        "estimate": estimate,
        "curves": drawings(curve) if curve else Markup(""),
        "code": programs.highlighted(program.source) if program else "",
    }
