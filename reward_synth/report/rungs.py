"""The rungs of the races: what they cut, and whether their order was that of the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_synth.feedback.agreement import Agreement, rung_agreement
from reward_synth.report.canvas import FOUND, MUTED, STYLE, WIDTH, svg
from reward_synth.report.words import compact
from reward_synth.search.candidate import Candidate, finishes


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung over all generations.

    Attributes:
      number: 1 for the first.
      steps: at which it stands, of the latest generation.
      stood: candidates that came so far.
      cut: those that went no further.
      agreement: of its order with the end's, over those that finished.
      wildcards: the same, over pairs with a wildcard.
    """

    number: int
    steps: int
    stood: int
    cut: int
    agreement: Agreement | None
    wildcards: Agreement | None


def rungs(candidates: Sequence[Candidate]) -> list[Rung]:
    """Return the rungs, the first first."""
    finished = finishes(candidates)
    every = {a.rung: a for a in rung_agreement(finished)}
    wild = {a.rung: a for a in rung_agreement(finished, wildcards=True)}
    found = []
    for rung in range(max((len(c.standings) for c in candidates), default=0)):
        standings = [c.standings[rung] for c in candidates if len(c.standings) > rung]
        found.append(
            Rung(
                rung + 1,
                standings[-1].steps,
                len(standings),
                sum(not standing.kept for standing in standings),
                every.get(rung),
                wild.get(rung),
            )
        )
    return found


def standings_and_ends(candidates: Sequence[Candidate], best: str) -> Markup:
    """Draw the fitness at the end against the standing at each rung; "" if none finished a race."""
    ladder = rungs(candidates)
    raced = [c for c in candidates if c.score is not None and c.standings]
    if not raced:
        return Markup("")
    with mpl.rc_context({**STYLE, "axes.grid.axis": "both"}):
        columns = min(3, len(ladder))
        rows = -(-len(ladder) // columns)
        figure = Figure((WIDTH, 2.9 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axis, rung in zip(axes.flat, ladder, strict=False):
            here = [c for c in raced if len(c.standings) >= rung.number]
            _dots(axis, rung, [c for c in here if not c.wildcard], "o", MUTED, 0.6)
            _dots(axis, rung, [c for c in here if c.wildcard], "D", MUTED, 1.0)
            _dots(axis, rung, [c for c in here if c.id == best], "o", FOUND, 1.0)
            axis.set_title(f"rung {rung.number}, {compact(rung.steps)} steps")
        for axis in list(axes.flat)[len(ladder) :]:
            axis.remove()
        axes[0][0].set_ylabel("fitness at the end")
        figure.supxlabel("standing at the rung, one standard error below", size=10, color=MUTED)
        return svg(figure, "Standing at each rung against the fitness at the end")


def _dots(
    axis: Axes,
    rung: Rung,
    candidates: Sequence[Candidate],
    marker: str,
    color: str,
    alpha: float,
) -> None:
    axis.plot(
        [c.standings[rung.number - 1].low for c in candidates],
        [c.score.fitness for c in candidates if c.score],
        marker,
        color=color,
        alpha=alpha,
        fillstyle="none" if marker == "D" else "full",
        markersize=7 if color == FOUND else 5,
    )
