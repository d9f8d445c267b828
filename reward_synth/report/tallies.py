"""Counts with their uncertainty: what was turned down, and who and what improved on parents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reward_synth.feedback.estimates import Estimate
from reward_synth.feedback.scores import share_interval
from reward_synth.records import Stage
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Share:
    """A share of so many, with Wilson's 95% interval (1927)."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """0 to 1, NaN of none."""
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high; [0, 1] of none."""
        return share_interval(self.count, self.of)


@dataclass(frozen=True, slots=True)
class Screen:
    """A check, or a screen, and what it said.

    Attributes:
      name: of the stage, or of the screen.
      rejected: candidates turned down by it first.
      audited: candidates it would have turned down that were trained all the same.
      remarked: candidates about which it had something to say that was not fatal.
    """

    name: str
    rejected: int
    audited: int
    remarked: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of one operator, lineage or author.

    Attributes:
      name: its name.
      candidates: of it.
      scored: of them, trained to the end.
      leading: the share that is in the top quarter of all that were trained, of those that
        were; what the search judges operators and lineages by.
      improved: the share that is estimated above its parent, of those whose parent has an
        estimate and that are not waiting; what was turned down or cut is no improvement.
      best: the highest estimate of one, None if none is scored.
    """

    name: str
    candidates: int
    scored: int
    leading: Share
    improved: Share
    best: float | None


def screens(candidates: Sequence[Candidate]) -> list[Screen]:
    """Return the checks in the order in which candidates pass them, then the screens."""
    turned_down = [_turned_down_by(c) for c in candidates]
    audited = [_first_fatal(c) for c in candidates if c.audited]
    remarks = [{f.screen for f in c.findings if not f.fatal} for c in candidates]
    names = [s.value for s in Stage if s.value in turned_down]
    names += sorted({f.screen for c in candidates for f in c.findings} - set(names))
    return [
        Screen(
            name,
            turned_down.count(name),
            audited.count(name),
            sum(name in remark for remark in remarks),
        )
        for name in names
    ]


def tallies(archive: Archive, name: Callable[[Candidate], str]) -> list[Tally]:
    """Return a tally for each name, in the order in which they first occur."""
    estimates = archive.estimates
    groups: dict[str, list[Candidate]] = {}
    for candidate in archive.candidates:
        groups.setdefault(name(candidate), []).append(candidate)
    return [
        Tally(
            title,
            len(members),
            sum(c.score is not None for c in members),
            Share(
                sum(map(archive.stands_out, members)),
                sum(c.score is not None or c.cut for c in members),
            ),
            _improved(members, estimates),
            max((estimates[c.id].mean for c in members if c.id in estimates), default=None),
        )
        for title, members in groups.items()
    ]


def _improved(members: Iterable[Candidate], estimates: Mapping[str, Estimate]) -> Share:
    count = of = 0
    for candidate in members:
        parent = next(iter(candidate.parents), "")
        over = candidate.score or candidate.cut or candidate.rejection
        if parent not in estimates or not over or candidate.passed_over:
            continue
        of += 1
        mine = estimates.get(candidate.id)
        count += mine is not None and mine.mean > estimates[parent].mean
    return Share(count, of)


def _turned_down_by(candidate: Candidate) -> str:
    """Return the stage, or the screen where that is what turned it down; "" if nothing did."""
    if candidate.rejection is None:
        return ""
    stage = candidate.rejection.stage
    return (stage is Stage.SCREEN and _first_fatal(candidate)) or stage.value


def _first_fatal(candidate: Candidate) -> str:
    return next((finding.screen for finding in candidate.findings if finding.fatal), "")
