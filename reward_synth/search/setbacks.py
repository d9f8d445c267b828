"""Which failures of a run are worth telling a proposer about, so that they are not repeated."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice

from reward_synth.records import Stage
from reward_synth.search.archive import Archive
from reward_synth.search.briefing import ancestors_of, change_to, gain_of
from reward_synth.search.candidate import Candidate, Standing
from reward_synth.search.changes import shortened

_SHOWN = 3
_LONGEST_REASON = 200
_DESIGN = {
    Stage.SCREEN: "turned down before training",
    Stage.TRAIN: "failed in training",
}
_CODE: dict[Stage, str] = dict.fromkeys(
    (Stage.PARSE, Stage.LINT, Stage.TRACE, Stage.VERIFY), "did not run"
)
_FEWEST_IN_RACE = 4


def failures(archive: Archive, parent: Candidate | None = None) -> tuple[str, ...]:
    """Return a line about each of the most instructive failures.

    One of each kind first: a change that lost fitness, a design that was turned down, one that
    was cut in the race; then more of the same. Code that did not run comes last, since whoever
    wrote it was told at once; answers that never came teach nothing.

    Args:
      archive: the run so far.
      parent: the candidate to be changed, whose own failed children say most; None for any.
    """
    setbacks = _Setbacks(archive, parent)
    kinds = (setbacks.lost(), setbacks.turned_down(_DESIGN), setbacks.cut())
    first = chain(*(lines[:1] for lines in kinds))
    more = chain(*(lines[1:] for lines in kinds), setbacks.turned_down(_CODE))
    return tuple(islice(chain(first, more), _SHOWN))


@dataclass(frozen=True, slots=True)
class _Setbacks:
    """Failures by kind, a line each, the most instructive first."""

    archive: Archive
    parent: Candidate | None

    @property
    def others(self) -> list[Candidate]:
        """All but the parent and what led to it."""
        if self.parent is None:
            return list(self.archive.candidates)
        kin = {self.parent.id, *(c.id for c in ancestors_of(self.archive, self.parent))}
        return [c for c in self.archive.candidates if c.id not in kin]

    def lost(self) -> list[str]:
        """Changes that lost more than one standard deviation of fitness, the surest first."""
        found = []
        for c in self.others:
            gain = gain_of(self.archive, c)
            if gain is None or (self.parent is not None and self.distance(c) > 0):
                continue
            if gain.mean < -gain.deviation:
                size = gain.mean / gain.deviation if gain.deviation else gain.mean
                outcome = f"{self.archive.measure} {gain} against {c.parents[0]}."
                found.append((size, c.id, self.line(c, outcome)))
        return [line for *_, line in sorted(found)]

    def turned_down(self, outcomes: Mapping[Stage, str]) -> list[str]:
        """What was turned down at some stages, the nearest and latest first, a reason once."""
        found: dict[str, str] = {}
        for c in sorted(self.others, key=lambda c: (self.distance(c), -c.generation, c.index)):
            if c.rejection is None or c.rejection.stage not in outcomes:
                continue
            reason = shortened(c.rejection.reason, _LONGEST_REASON)
            same = re.sub(r"['\"`].*?['\"`]|[-+.\d]+", "", reason)
            found.setdefault(same, self.line(c, f"{outcomes[c.rejection.stage]}: {reason}"))
        return list(found.values())

    def cut(self) -> list[str]:
        """Those in the last quarter of their generation when the race left them."""
        found = []
        for c in self.others:
            if not c.cut or c.score is not None:
                continue
            last = c.standings[-1]
            level = self._level(c.generation, last.steps)
            if len(level) < _FEWEST_IN_RACE:
                continue
            quarter, median, _ = statistics.quantiles(level, n=4)
            if last.fitness < quarter:
                behind = (median - last.fitness) / (max(level) - min(level))
                line = self.line(c, cut_words(last, median))
                found.append((self.distance(c), -behind, c.id, line))
        return [line for *_, line in sorted(found)]

    def _level(self, generation: int, steps: int) -> list[float]:
        """How all of a generation stood after so many steps."""
        return [
            standing.fitness
            for c in self.archive.candidates
            if c.generation == generation
            for standing in c.standings
            if standing.steps == steps and math.isfinite(standing.fitness)
        ]

    def distance(self, candidate: Candidate) -> int:
        """0 for a child of the parent, 1 for one of its line, 2 for others."""
        if self.parent is None:
            return 2
        if candidate.parents[:1] == (self.parent.id,):
            return 0
        return 1 if candidate.lineage == self.parent.lineage else 2

    def line(self, candidate: Candidate, outcome: str) -> str:
        """Say which candidate it was, what it tried and what became of it."""
        tried = change_to(self.archive, candidate) if candidate.program else "no program"
        return f"{candidate.id} ({candidate.kind}), {tried.rstrip('.')}: {outcome}"


def cut_words(standing: Standing, median: float) -> str:
    """Say how a candidate stood when it was left behind, and how its generation did."""
    return (
        f"cut after {standing.steps:,} steps of training: its fitness stood at "
        f"{standing.fitness:.3g}, the median of its generation at {median:.3g}."
    )
