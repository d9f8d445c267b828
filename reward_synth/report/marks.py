"""What became of a candidate, and how it and its lineage are marked: never by colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reward_synth.feedback.estimates import Estimate
from reward_synth.records import Stage
from reward_synth.search.candidate import Candidate

_COLOURS = 7  # of lineages, --l0 to --l6 in report.css

# Unit shapes around the origin, told apart at 6 pixels.
_SHAPES = (
    "M-.9 0a.9.9 0 1 0 1.8 0a.9.9 0 1 0-1.8 0z",
    "M-.8-.8H.8V.8H-.8z",
    "M0-1L1 .8H-1z",
    "M0-1.1L1.1 0L0 1.1L-1.1 0z",
    "M0 1L1-.8H-1z",
    "M-.35-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35z",
    "M0-1.1L.33-.36 1.1-.3.5.2.7 1 0 .55-.7 1-.5.2-1.1-.3-.33-.36z",
    "M-.5-.9H.5L1 0L.5.9H-.5L-1 0z",
)


class Fate(StrEnum):
    """What became of a candidate."""

    SCORED = "scored"
    CUT = "cut"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    WAITING = "waiting"


def fate(candidate: Candidate) -> Fate:
    """Return what became of a candidate so far."""
    if candidate.score is not None:
        return Fate.SCORED
    if candidate.rejection is not None:
        return Fate.DUPLICATE if is_duplicate(candidate) else Fate.REJECTED
    return Fate.CUT if candidate.cut else Fate.WAITING


def is_duplicate(candidate: Candidate) -> bool:
    """Whether it was turned down for being a reward that was tried before."""
    rejection = candidate.rejection
    return (
        rejection is not None
        and rejection.stage is Stage.SCREEN
        and any(
            finding.fatal and "duplicate" in finding.screen.lower()
            for finding in candidate.findings
        )
    )


def cut_at(candidate: Candidate) -> int:
    """Return the rung, 1 for the first, at which a candidate was left behind; 0 if it was not."""
    places = (i for i, standing in enumerate(candidate.standings, 1) if not standing.kept)
    return next(places, 0)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a lineage looks.

    Attributes:
      colour: the number of a CSS variable.
      shape: an SVG path around the origin, about 2 wide.
    """

    colour: int
    shape: str


def marks(candidates: Iterable[Candidate]) -> dict[int, Mark]:
    """Return a mark for each lineage, by when it began; colours repeat sooner than marks do."""
    numbers = dict.fromkeys(candidate.lineage for candidate in candidates)
    return {
        number: Mark(i % _COLOURS, _SHAPES[i % len(_SHAPES)]) for i, number in enumerate(numbers)
    }


def shades(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Return each scored candidate's share of the others that are less fit, 0 to 1, by id.

    By rank: a single failure far below would leave all others of one shade.
    """
    fitness = {id: estimate.mean for id, estimate in estimates.items()}
    ranks = {value: rank for rank, value in enumerate(sorted(set(fitness.values())))}
    top = max(len(ranks) - 1, 1)
    return {id: ranks[value] / top if len(ranks) > 1 else 1.0 for id, value in fitness.items()}
