"""What somebody said of what policies do: which of two is better, and all else they can say.

A record is never changed and never removed; whoever errs adds another that takes it back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Which of two does the task better."""

    FIRST = "first"
    SECOND = "second"
    EQUAL = "equal"

    @property
    def turned(self) -> Verdict:
        """The same verdict on the two in the other order."""
        turns = {Verdict.FIRST: Verdict.SECOND, Verdict.SECOND: Verdict.FIRST}
        return turns.get(self, self)


class Kind(StrEnum):
    """What is said.

    Attributes:
      PAIR: which of two is better; with no answer, that neither is.
      BEST, WORST: which of all that are shown.
      RANKING: their order, the best first.
      RATING: how good one is by itself.
      SKIP: nothing; whoever was asked cannot or will not tell.
      TEXT: words, about one or about all.
      SEGMENT: that a stretch of one is good or bad.
      ENOUGH: that the run need not wait for more answers now.
      UNDO: that an earlier record does not count.
    """

    PAIR = "pair"
    BEST = "best"
    WORST = "worst"
    RANKING = "ranking"
    RATING = "rating"
    SKIP = "skip"
    TEXT = "text"
    SEGMENT = "segment"
    ENOUGH = "enough"
    UNDO = "undo"


CHOICES = (Kind.PAIR, Kind.BEST, Kind.WORST)  # between several, answered with one of them


@dataclass(frozen=True, slots=True)
class Clip:
    """What was shown of a candidate.

    Attributes:
      candidate: its id.
      rollout: its recorded episodes, relative to the run folder; "" if nothing was shown of them.
      begin, end: the stretch of the video that is meant, in seconds from its beginning; None for
        all the rest of it.
      digest: SHA-256 of the video, in hexadecimal; "" if there was none.
    """

    candidate: str
    rollout: str = ""
    begin: float = 0.0
    end: float | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.candidate:
            raise ValueError("a clip is of a candidate.")
        if not self.begin >= 0.0 or (self.end is not None and not self.begin < self.end):
            raise ValueError(f"no clip lasts from {self.begin} s to {self.end} s.")


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody is asked: to choose among candidates, by their ids."""

    kind: Kind
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two candidates and a verdict, which is all that any choice comes down to.

    Attributes:
      first, second: their ids.
      verdict: which is better.
      who: says so.
    """

    first: str
    second: str
    verdict: Verdict
    who: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing that somebody said, as a run keeps it.

    Attributes:
      who: a person's name, a model's, or a synthetic teacher's.
      kind: what is said.
      shown: clips, in the order in which they were shown, the left one first.
      answer: ids of candidates: the one that was chosen, none for a tie, or all for a ranking.
      value: of a rating, from 0 to 1; of a segment, 1 for good and -1 for bad.
      text: the reason for a choice, or the words themselves.
      category: of a segment, such as "flailing".
      undoes: the id of the record that an UNDO takes back, which must be by the same hand.
      seconds: that it took to answer, if somebody looked at a clock.
      prompt: SHA-256 of what a model was asked, in hexadecimal; "" if a person answered.
      when: seconds since 1970; 0.0 from a synthetic teacher, which answers the same at any time.
      id: tells it from all others. Whoever sends a record twice sends the same id. Left out, it
        is made from the rest, so that the same again is the same record.

    Raises:
      ValueError: nobody can have said this.
    """

    who: str
    kind: Kind
    shown: tuple[Clip, ...] = ()
    answer: tuple[str, ...] = ()
    value: float | None = None
    text: str = ""
    category: str = ""
    undoes: str = ""
    seconds: float | None = None
    prompt: str = ""
    when: float = 0.0
    id: str = ""

    def __post_init__(self) -> None:
        if not self.who:
            raise ValueError("an annotation is by somebody.")
        _check(self)
        if not self.id:
            text = json.dumps(asdict(self), sort_keys=True)
            object.__setattr__(self, "id", hashlib.sha256(text.encode()).hexdigest()[:32])

    @property
    def candidates(self) -> tuple[str, ...]:
        """Ids of those that were shown."""
        return tuple(clip.candidate for clip in self.shown)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Return what it says of pairs: n - 1 of them among n clips, none where nothing was chosen.

        The best of n is better than each of the others. Of a ranking, neighbours are compared:
        more pairs would count the same opinion more than once.
        """
        match self.kind:
            case Kind.PAIR:
                first, second = self.candidates
                verdicts = {(first,): Verdict.FIRST, (second,): Verdict.SECOND, (): Verdict.EQUAL}
                pairs = [(first, second, verdicts[self.answer])]
            case Kind.BEST | Kind.WORST:
                verdict = Verdict.FIRST if self.kind is Kind.BEST else Verdict.SECOND
                (named,) = self.answer
                pairs = [(named, other, verdict) for other in self.candidates if other != named]
            case Kind.RANKING:
                pairs = [
                    (better, worse, Verdict.FIRST)
                    for better, worse in zip(self.answer, self.answer[1:], strict=False)
                ]
            case _:
                pairs = []
        return tuple(Comparison(*pair, self.who) for pair in pairs)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``from_json`` inverts it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Annotation:
        """Rebuild an annotation from ``to_json``'s dictionary; what is left out is the default.

        Raises:
          ValueError: it is no such dictionary, or see above.
        """
        try:
            return cls(
                **{
                    **data,
                    "kind": Kind(data["kind"]),
                    "shown": tuple(Clip(**clip) for clip in data.get("shown", ())),
                    "answer": tuple(data.get("answer", ())),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not an annotation: {error}.") from error


def standing(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """Return what holds: all but what was taken back by whoever said it, and the taking back."""
    said = tuple(annotations)
    undone = {(one.who, one.undoes) for one in said if one.kind is Kind.UNDO}
    return tuple(
        one for one in said if one.kind is not Kind.UNDO and (one.who, one.id) not in undone
    )


def comparisons(annotations: Iterable[Annotation]) -> tuple[Comparison, ...]:
    """Return all that standing annotations say of pairs, in their order."""
    return tuple(one for said in standing(annotations) for one in said.comparisons)


def _check(said: Annotation) -> None:
    kind, shown = said.kind, said.candidates
    if kind in (*CHOICES, Kind.RANKING):
        if len(shown) < 2 or len(set(shown)) < len(shown):
            raise ValueError(f"a choice is among different candidates, not {shown}.")
        if kind is Kind.PAIR and len(shown) != 2:
            raise ValueError(f"a pair has two candidates, not {len(shown)}.")
        unknown = set(said.answer) - set(shown)
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} is none of {', '.join(shown)}.")
        if kind is Kind.RANKING and sorted(said.answer) != sorted(shown):
            raise ValueError(f"a ranking of {', '.join(shown)} names each once.")
        if kind in CHOICES and len(said.answer) != 1 and (kind, said.answer) != (Kind.PAIR, ()):
            raise ValueError(f"the answer names one of {', '.join(shown)}.")
    elif said.answer:
        raise ValueError(f"a {kind} chooses no candidate.")
    if kind in (Kind.RATING, Kind.SEGMENT) and len(shown) != 1:
        raise ValueError(f"a {kind} is of one clip, not {len(shown)}.")
    if kind is Kind.RATING and (said.value is None or not 0.0 <= said.value <= 1.0):
        raise ValueError(f"a rating is from 0 to 1, not {said.value}.")
    if kind is Kind.SEGMENT and (said.value not in (1.0, -1.0) or said.shown[0].end is None):
        raise ValueError("a segment has an end and is good, 1, or bad, -1.")
    if kind not in (Kind.RATING, Kind.SEGMENT) and said.value is not None:
        raise ValueError(f"a {kind} has no value.")
    if kind is Kind.TEXT and not said.text.strip():
        raise ValueError("there are no words.")
    if (kind is Kind.UNDO) != bool(said.undoes):
        raise ValueError("an undo, and nothing else, names what it takes back.")
