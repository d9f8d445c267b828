"""From the archive to what a proposer is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reward_synth.feedback.estimates import Estimate
from reward_synth.propose.prompts import fenced
from reward_synth.propose.proposer import Parent
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate
from reward_synth.search.changes import aim_of, change_of, diff, same_structure, shortened

_MOST_ANCESTORS = 5
_MOST_NOTES = 4
_LONGEST_NOTE = 240


@dataclass(frozen=True, slots=True)
class Gain:
    """How much fitter a candidate is than the one that it was made from.

    Attributes:
      mean: the difference of their estimates.
      deviation: its standard deviation; 0 if the run does not know its noise yet.
    """

    mean: float
    deviation: float

    @property
    def sure(self) -> bool:
        """Whether its 95% interval leaves out nil."""
        return abs(self.mean) > 1.96 * self.deviation > 0

    def __str__(self) -> str:
        """Such as ``"+0.31 [-0.20, 0.82]"``."""
        if not self.deviation:
            return f"{self.mean:+.3g}"
        places = _places(self.deviation)
        low, mean, high = (  # adding 0.0 turns -0.0 into 0.0
            round(self.mean + sign * 1.96 * self.deviation, places) + 0.0 for sign in (-1, 0, 1)
        )
        return f"{mean:+.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def parent_of(archive: Archive, candidate: Candidate) -> Parent:
    """Return a scored candidate as proposers see it: its training, its line, what was noticed.

    A line's path as context is an idea of RF-Agent's (2025).
    """
    parts = [candidate.reflection.strip()]
    ancestors = ancestors_of(archive, candidate)
    if ancestors:
        path = _path(archive, [*ancestors, candidate])
        parts.append(f"## How it came about\n\n{path}\n\n{_last_step(archive, candidate)}")
    notes = [shortened(f.words, _LONGEST_NOTE) for f in candidate.findings[:_MOST_NOTES]]
    if notes:
        parts.append("## Noticed before training\n\n" + "\n".join(f"- {note}" for note in notes))
    return _parent(archive, candidate, "\n\n".join(part for part in parts if part))


def plain_parent_of(archive: Archive, candidate: Candidate) -> Parent:
    """Return a scored candidate with its curves and outcome alone, as Eureka shows it."""
    return _parent(archive, candidate, candidate.reflection.split("\n## ")[0].strip())


def elites_of(archive: Archive, parent: Candidate, count: int) -> tuple[Parent, ...]:
    """Return the best candidates to show beside a parent: other programs than it, each once.

    Those that differ from it or from a better one in WEIGHTS alone are passed over.
    """
    shown = [parent]
    for candidate in archive.leaders:
        if len(shown) > count:
            break
        if not any(_alike(candidate, other) for other in shown):
            shown.append(candidate)
    return tuple(parent_of(archive, candidate) for candidate in shown[1:])


def _alike(one: Candidate, other: Candidate) -> bool:
    assert one.program is not None
    assert other.program is not None
    return same_structure(one.program, other.program)


def _parent(archive: Archive, candidate: Candidate, reflection: str) -> Parent:
    assert candidate.program is not None
    return Parent(
        id=candidate.id,
        program=candidate.program,
        fitness=archive.estimates[candidate.id].mean,
        reflection=reflection,
        summary=summary_of(archive, candidate),
    )


def unscored_parent(candidate: Candidate) -> Parent:
    """Return a scored candidate as proposers see it who are to know nothing of its fitness."""
    assert candidate.program is not None
    return Parent(candidate.id, candidate.program, math.nan, candidate.reflection)


def summary_of(archive: Archive, candidate: Candidate) -> str:
    """Return how a scored candidate did and what it pays for, in a line or two."""
    assert candidate.program is not None
    found = archive.estimates[candidate.id]
    what = "training" if archive.by_fitness else "comparison"
    trainings = f"{found.trainings} {what}{'' if found.trainings == 1 else 's'}"
    return (
        f"{candidate.id}: {archive.measure} {estimate_words(found)}, from {trainings}. "
        f"It pays for {', '.join(candidate.terms)}: {aim_of(candidate.program)}"
    )


def estimate_words(found: Estimate) -> str:
    """Such as ``"1.21 [0.80, 1.62]"``."""
    if not found.deviation:
        return f"{found.mean:.3g}"
    places = _places(found.deviation)
    return f"{found.mean:.{places}f} [{found.low:.{places}f}, {found.high:.{places}f}]"


def _places(deviation: float) -> int:
    """Return decimal places that give a deviation two digits."""
    return max(0, 1 - math.floor(math.log10(deviation)))


def gain_of(archive: Archive, candidate: Candidate) -> Gain | None:
    """Return the gain over what a candidate was made from; None unless both are scored."""
    known = archive.estimates
    if candidate.id not in known or not candidate.parents or candidate.parents[0] not in known:
        return None
    one, other = known[candidate.id], known[candidate.parents[0]]
    return Gain(one.mean - other.mean, math.hypot(one.deviation, other.deviation))


def ancestors_of(archive: Archive, candidate: Candidate) -> list[Candidate]:
    """Return what a candidate was made from, and that in turn; the founder of its line first."""
    line: list[Candidate] = []
    while candidate.parents:
        candidate = archive[candidate.parents[0]]
        line.insert(0, candidate)
    return line


def _path(archive: Archive, line: list[Candidate]) -> str:
    """Return a line a candidate; of a long path, the founder and the latest."""
    shown = [_station(archive, candidate) for candidate in line]
    if len(shown) > _MOST_ANCESTORS + 1:
        left_out = len(shown) - _MOST_ANCESTORS - 1
        shown = [shown[0], f"- ... {left_out} more ...", *shown[-_MOST_ANCESTORS:]]
    return "\n".join(shown)


def _station(archive: Archive, candidate: Candidate) -> str:
    found = archive.estimates.get(candidate.id)
    fitness = f"{archive.measure} {estimate_words(found)}" if found else "not trained to the end"
    return f"- {candidate.id} ({candidate.kind}), {fitness}: {change_to(archive, candidate)}"


def change_to(archive: Archive, candidate: Candidate) -> str:
    """Return what made a candidate of its parent, or what it pays for if it has none."""
    assert candidate.program is not None
    if not candidate.parents:
        return aim_of(candidate.program)
    return change_of(candidate.program, archive[candidate.parents[0]].program)


def _last_step(archive: Archive, candidate: Candidate) -> str:
    """Say what the last change was and what it brought."""
    parent = archive[candidate.parents[0]]
    assert candidate.program is not None
    assert parent.program is not None
    gain = gain_of(archive, candidate)
    brought = "" if gain is None else f": {archive.measure} {gain}"
    if gain is not None and not gain.sure:
        brought += ", which may be noise"
    lines = diff(parent.program, candidate.program)
    silent = parent.program.rationale == candidate.program.rationale
    if _alike(candidate, parent) and (silent or not lines):
        return f"Against {parent.id}{brought}."  # the path has named the weights
    if not lines:
        return f"Against {parent.id} it was written anew{brought}."
    return f"Its difference to {parent.id}{brought}:\n\n{fenced(lines, 'diff')}"
