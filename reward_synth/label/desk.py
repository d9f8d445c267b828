"""What somebody is asked about a run, and what becomes of their answers.

The web page, the terminal and the notebook differ in how they show a question. What is asked
next, on which side each clip stands and which answers are taken is decided here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from reward_synth.errors import FeedbackError
from reward_synth.feedback.annotations import CHOICES, Annotation, Clip, Kind, Question, standing
from reward_synth.feedback.journal import Journal
from reward_synth.label.exhibits import Exhibit, Gallery
from reward_synth.search.asking import Inquiry, inquiry
from reward_synth.search.candidate import Candidate
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import Store

LONGEST_NAME = 60
_LONGEST_TEXT = 4000
_LONGEST_CATEGORY = 80
_LONGEST_CLIP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is shown.

    Attributes:
      kind: a pair, the best or the worst.
      exhibits: in the order in which they are shown, the left one first.
    """

    kind: Kind
    exhibits: tuple[Exhibit, ...]

    @property
    def clips(self) -> tuple[Clip, ...]:
        """What an answer says was shown."""
        return tuple(exhibit.clip for exhibit in self.exhibits)

    @property
    def fault(self) -> str:
        """Why nobody can answer, "" if they can."""
        return " ".join(exhibit.fault for exhibit in self.exhibits if exhibit.fault)

    def answers(self, who: str) -> dict[str, Annotation]:
        """Return what can be answered, by a name: the place of a clip, "tie", "skip"."""
        said = {
            str(place): Annotation(who, self.kind, self.clips, (clip.candidate,))
            for place, clip in enumerate(self.clips)
        }
        if self.kind is Kind.PAIR:
            said["tie"] = Annotation(who, self.kind, self.clips)
        said["skip"] = Annotation(who, Kind.SKIP, self.clips)
        return said


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody is asked now, and how far they are, and the run.

    Attributes:
      asked: None if there is nothing left to ask them just now.
      generation: the one that is asked about, 0 for the first.
      waiting: whether the run does not go on without answers.
      can_stop: whether it does if somebody says that it is enough.
      heeded: whether the run makes anything of answers at all.
      over: whether the search has ended.
      wanted, given: comparisons after this generation, by all together.
      choices: that this annotator made in the whole run.
      last: what they said last that holds, None if nothing does.
    """

    asked: Asked | None
    generation: int
    waiting: bool
    can_stop: bool
    heeded: bool
    over: bool
    wanted: int
    given: int
    choices: int
    last: Annotation | None


class Desk:
    """Asks about one run; several processes may, at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._gallery = Gallery(folder)
        self._known: tuple[object, Inquiry | None] = (None, None)

    def turn(self, who: str, *more: Annotation) -> Turn | None:
        """Return what somebody is asked next; None before anything was trained.

        Args:
          who: is asked.
          more: taken to be said as well, to see what would be asked then.
        """
        inquiry = self.inquiry(*more)
        if inquiry is None:
            return None
        with Store.read(self.folder) as store:
            over = store.get("best") is not None
        own = [said for said in inquiry.archive.said if said.who == who]
        waiting = inquiry.waiting and not inquiry.done
        fresh = (*inquiry.fresh, Annotation(who, Kind.ENOUGH))
        return Turn(
            self._asked(inquiry, who),
            inquiry.generation,
            waiting,
            waiting and replace(inquiry, fresh=fresh).done,
            inquiry.config.feedback.source != "none",
            over,
            inquiry.wanted,
            inquiry.given,
            sum(said.kind in CHOICES for said in own),
            own[-1] if own else None,
        )

    def ahead(self, who: str) -> tuple[Asked | None, dict[str, Asked | None]]:
        """Return the present question, and what would be asked after each answer, by its name.

        Of more than two clips, the first stands for all: what is shown next is much the same.
        """
        inquiry = self.inquiry()
        asked = inquiry and self._asked(inquiry, who)
        if not asked:
            return None, {}
        answers = asked.answers(who)
        if asked.kind is not Kind.PAIR:
            answers = {"0": answers["0"]}
        futures = {name: self.inquiry(said) for name, said in answers.items()}
        return asked, {name: then and self._asked(then, who) for name, then in futures.items()}

    def inquiry(self, *more: Annotation) -> Inquiry | None:
        """Return what the run asks just now; see ``search.asking``.

        While nothing was said or done it is the same one: pages look every few seconds.
        """
        with Store.read(self.folder) as store:
            if more:
                return inquiry(store, *more)
            state = len(store.journal), len(store.ledger()), len(store.events())
            if state != self._known[0]:
                self._known = state, inquiry(store)
            return self._known[1]

    def marked(self, who: str, clips: Sequence[Clip]) -> list[Annotation]:
        """Return what somebody has said of single clips: segments and words that hold."""
        shown = {clip.candidate for clip in clips}
        with Journal.open(self.folder) as journal:
            said = standing(journal.read())
        return [
            one
            for one in said
            if one.who == who
            and one.kind in (Kind.SEGMENT, Kind.TEXT)
            and len(one.shown) == 1
            and one.candidates[0] in shown
        ]

    def take(self, said: Annotation) -> bool:
        """Keep an answer; return whether it is new. The same id is heard once.

        Raises:
          FeedbackError: it is about something that the run does not have, or takes back what
            was not said.
        """
        self._check(said)
        with Journal.open(self.folder) as journal:
            before = journal.read()
            if any(one.id == said.id for one in before):
                return False
            if said.kind is Kind.UNDO:
                _check_undo(said, before)
            return journal.append([replace(said, when=time.time())]) > 0

    def undone(self, said: Annotation) -> Asked | None:
        """Return a question whose answer was taken back, as it was shown; None if it was none."""
        if said.kind not in (*CHOICES, Kind.SKIP) or not said.shown:
            return None
        known = self.candidates()
        if not set(said.candidates) <= set(known):
            return None
        kind = self._skipped(said) if said.kind is Kind.SKIP else said.kind
        return Asked(kind, tuple(self._gallery.exhibit(known[id]) for id in said.candidates))

    def _skipped(self, said: Annotation) -> Kind:
        """Return the kind of question that was skipped: what would be asked had it not been."""
        inquiry = self.inquiry(Annotation(said.who, Kind.UNDO, undoes=said.id))
        question = inquiry and inquiry.next(said.who)
        if question and set(question.candidates) == set(said.candidates):
            return question.kind
        return Kind.PAIR if len(said.shown) == 2 else Kind.BEST

    def candidates(self) -> Mapping[str, Candidate]:
        """Return the run's candidates by id."""
        with Store.read(self.folder) as store:
            return {candidate.id: candidate for candidate in store.candidates()}

    def exhibit(self, id: str) -> Exhibit | None:
        """Return a candidate's video, None if there is no such candidate."""
        candidate = self.candidates().get(id)
        return None if candidate is None else self._gallery.exhibit(candidate)

    def _asked(self, inquiry: Inquiry, who: str) -> Asked | None:
        question = inquiry.next(who)
        if question is None:
            return None
        known = {candidate.id: candidate for candidate in inquiry.archive.candidates}
        order = _order(question, inquiry, who)
        exhibits = tuple(self._gallery.exhibit(known[id]) for id in order)
        return Asked(question.kind, exhibits)

    def _check(self, said: Annotation) -> None:
        """Refuse what people do not say in a page, whatever was sent."""
        if said.who != named(said.who):
            raise FeedbackError(f"{said.who!r} is no name.")
        if said.prompt or said.kind in (Kind.RANKING, Kind.RATING):
            raise FeedbackError("this is said by models, not by people.")
        if len(said.text) > _LONGEST_TEXT or len(said.category) > _LONGEST_CATEGORY:
            raise FeedbackError(f"these are too many words: {_LONGEST_TEXT} characters at most.")
        if said.seconds is not None and not 0.0 <= said.seconds < 1e7:
            raise FeedbackError(f"nobody answers in {said.seconds} s.")
        if not re.fullmatch(r"[0-9a-zA-Z-]{8,64}", said.id):
            raise FeedbackError("an id is 8 to 64 letters and digits.")
        known = self.candidates()
        for clip in said.shown:
            candidate = known.get(clip.candidate)
            if candidate is None:
                raise FeedbackError(f"the run has no candidate {clip.candidate}.")
            if clip.end is not None and not clip.end <= _LONGEST_CLIP_S:
                raise FeedbackError(f"no clip lasts until {clip.end} s.")
            if clip.rollout != f"{candidate.folder}/rollout.npz":
                raise FeedbackError(f"{clip.rollout} is not of {clip.candidate}.")
            if not re.fullmatch("|[0-9a-f]{64}", clip.digest):
                raise FeedbackError("a digest is 64 hexadecimal digits.")


def named(text: str) -> str:
    """Return a name as it is kept: without white space around it, on one line.

    Raises:
      FeedbackError: nothing is left, or too much.
    """
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise FeedbackError(f"a name has 1 to {LONGEST_NAME} printable characters.")
    return name


def words(said: Annotation) -> str:
    """Return what somebody said in a few words, with letters for the clips they were shown."""
    letters = dict(zip(said.candidates, ascii_uppercase, strict=False))
    chosen = "".join(letters.get(id, "") for id in said.answer)
    match said.kind:
        case Kind.PAIR:
            return f"{chosen} is better" if chosen else "both are alike"
        case Kind.BEST:
            return f"{chosen} is the best"
        case Kind.WORST:
            return f"{chosen} is the worst"
        case Kind.SEGMENT:
            (clip,) = said.shown
            merit = "good" if said.value == 1.0 else "bad"
            return f"{clip.begin:.1f} s to {clip.end:.1f} s is {merit}"
        case Kind.TEXT:
            return f"“{said.text}”"
        case Kind.ENOUGH:
            return "that is enough for now"
        case _:
            return "skipped"


def _check_undo(said: Annotation, before: Sequence[Annotation]) -> None:
    held = (one for one in standing(before) if one.id == said.undoes)
    if not any(one.who == said.who for one in held):
        raise FeedbackError("what is taken back was never said, or not by you, or no longer holds.")


def _order(question: Question, inquiry: Inquiry, who: str) -> list[str]:
    """Return the ids in the order in which they are shown, which is drawn.

    The same question stands the same way round when its page is loaded again.
    """
    answers = (*CHOICES, Kind.SKIP)
    times = sum(said.who == who and said.kind in answers for said in inquiry.archive.said)
    seed = derive_seed(inquiry.config.seed, "sides", who, *question.candidates, times)
    return np.random.default_rng(seed).permutation(question.candidates).tolist()
