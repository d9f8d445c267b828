"""From the archive to what a proposer is told."""

from __future__ import annotations

import math

from reward_synth.propose.proposer import Parent
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate

_SHOWN_FAILURES = 3
_LONGEST_RATIONALE = 160


def parent_of(archive: Archive, candidate: Candidate) -> Parent:
    """Return a scored candidate as proposers see it."""
    assert candidate.program is not None
    fitness = archive.estimates[candidate.id].mean
    return Parent(candidate.id, candidate.program, fitness, candidate.reflection)


def unscored_parent(candidate: Candidate) -> Parent:
    """Return a scored candidate as proposers see it who are to know nothing of its fitness."""
    assert candidate.program is not None
    return Parent(candidate.id, candidate.program, math.nan, candidate.reflection)


def failures(archive: Archive) -> tuple[str, ...]:
    """Return one line about each of the candidates that were turned down last."""
    rejected = [c for c in archive.candidates if c.rejection is not None][-_SHOWN_FAILURES:]
    return tuple(
        f"{c.program.rationale[:_LONGEST_RATIONALE] if c.program else 'no program'}: "
        f"{c.rejection.reason}"
        for c in rejected
        if c.rejection is not None
    )
