"""How a judge's answers are read, and how several become one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reward_synth.feedback.annotations import Verdict

BEST_RATING = 10
_LETTERS = {"A": Verdict.FIRST, "B": Verdict.SECOND, "TIE": Verdict.EQUAL}
_VERDICT = re.compile(r"VERDICT:[*_\s]*(A|B|TIE)")
_RATING = re.compile(rf"RATING:[*_\s]*(\d|{BEST_RATING})(?:\s*/\s*{BEST_RATING})?")
_DIAGNOSIS = re.compile(r"^[#*_\s]*DIAGNOSIS:", re.M)
_EMPHASIS = " \t*_`."


def read_verdict(answer: str) -> Verdict | None:
    """Return the verdict on A, the first, and B; None if the last line is none.

    Only the last line counts, and it must hold nothing else: what a model considers on the way
    ("VERDICT: A would be rash") is no verdict.
    """
    found = _VERDICT.fullmatch(_last_line(answer))
    return _LETTERS[found[1]] if found else None


def read_rating(answer: str) -> float | None:
    """Return the rating in the last line, from 0 to 1; None if there is none."""
    found = _RATING.fullmatch(_last_line(answer))
    return int(found[1]) / BEST_RATING if found else None


def read_diagnosis(answer: str) -> str | None:
    """Return the diagnosis, on one line; None if there is none."""
    *before, last = _DIAGNOSIS.split(answer)
    return " ".join(last.split()).strip(" *_`") or None if before else None


def reasons(answer: str) -> str:
    """Return an answer without its last line."""
    return "\n".join(answer.strip().splitlines()[:-1]).strip()


def _last_line(answer: str) -> str:
    lines = answer.strip().splitlines()
    return lines[-1].strip(_EMPHASIS) if lines else ""


@dataclass(frozen=True, slots=True)
class Vote:
    """What a judge said when it was asked once, or once each way round.

    Attributes:
      verdict: None if the vote is void.
      words: its reasons; if it is void, why.
    """

    verdict: Verdict | None
    words: str


def both_ways(straight: Vote, turned: Vote) -> Vote:
    """Return one vote from two on the same pair, the second shown the other way round.

    A judge that names the same clip wherever it stands means the clip; one that does not means
    the place, and its vote is a tie. Half a vote is none: it might be for the place as well.

    Args:
      straight: on (first, second).
      turned: on (second, first).
    """
    for half in (straight, turned):
        if half.verdict is None:
            return half
    assert turned.verdict is not None
    if straight.verdict == turned.verdict.turned:
        return straight
    said = f"Shown the other way round, it did not say the same: a tie.\n\n{straight.words}"
    return Vote(Verdict.EQUAL, said)


def elected(votes: Sequence[Vote]) -> Vote:
    """Return what most votes say: a tie if no verdict has more than each other, void if all are."""
    valid = [vote for vote in votes if vote.verdict is not None]
    if not valid:
        why = "; ".join(dict.fromkeys(vote.words for vote in votes))
        return Vote(None, why)
    (leader, most), *others = Counter(vote.verdict for vote in valid).most_common()
    verdict = Verdict.EQUAL if others and others[0][1] == most else leader
    agreeing = [vote for vote in valid if vote.verdict is verdict]
    words = (agreeing or valid)[0].words
    if len(votes) > 1:
        words = f"{len(agreeing)} of {len(votes)} votes say so.\n\n{words}"
    return Vote(verdict, words)
