"""What somebody answered who was asked which policy does the task better."""

from __future__ import annotations

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
    """What was asked: which of two is better, which of all is the best, which the worst."""

    PAIR = "pair"
    BEST = "best"
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies and a verdict, which is all that any answer comes down to."""

    first: str
    second: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Preference:
    """One answer, as a run keeps it: records are added, and none is ever changed.

    Attributes:
      who: a person's name, or the synthetic teacher's.
      kind: what was asked.
      shown: ids of the candidates, in the order in which they were shown.
      answer: the id that was named; "" if neither of a pair is better.
      when: seconds since 1970; 0.0 from a synthetic teacher, which answers the same at any time.

    Raises:
      ValueError: nobody can have answered this.
    """

    who: str
    kind: Kind
    shown: tuple[str, ...]
    answer: str
    when: float = 0.0

    def __post_init__(self) -> None:
        if len(self.shown) < 2 or len(set(self.shown)) < len(self.shown):
            raise ValueError(f"a preference is among different candidates, not {self.shown}.")
        if self.kind is Kind.PAIR and len(self.shown) != 2:
            raise ValueError(f"a pair has two candidates, not {len(self.shown)}.")
        if self.answer not in self.shown and not (self.kind is Kind.PAIR and not self.answer):
            raise ValueError(f"the answer {self.answer!r} is none of {', '.join(self.shown)}.")

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Return what it says of pairs; the best of n is better than n - 1 others."""
        if self.kind is Kind.PAIR:
            first, second = self.shown
            verdicts = {first: Verdict.FIRST, second: Verdict.SECOND, "": Verdict.EQUAL}
            return (Comparison(first, second, verdicts[self.answer]),)
        verdict = Verdict.FIRST if self.kind is Kind.BEST else Verdict.SECOND
        others = [id for id in self.shown if id != self.answer]
        return tuple(Comparison(self.answer, other, verdict) for other in others)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``from_json`` inverts it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preference:
        """Rebuild a preference from ``to_json``'s dictionary.

        Raises:
          ValueError: see above.
        """
        return cls(**{**data, "kind": Kind(data["kind"]), "shown": tuple(data["shown"])})


def comparisons(preferences: Iterable[Preference]) -> tuple[Comparison, ...]:
    """Return all that preferences say of pairs, in their order."""
    return tuple(one for preference in preferences for one in preference.comparisons)
