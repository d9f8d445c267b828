"""The plots of the comparison, the trainings and the generations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_synth.feedback.estimates import Estimate
from reward_synth.feedback.scores import Score
from reward_synth.report.canvas import (
    EXPERT,
    FOUND,
    INK,
    MUTED,
    PALETTE,
    SPARSE,
    STYLE,
    WIDTH,
    drawable,
    label,
    svg,
    ticks_in_short,
)
from reward_synth.report.curves import thinned
from reward_synth.report.run import Curve, Incumbent
from reward_synth.search.candidate import Candidate

_CONTENDER = {"found": FOUND, "expert": EXPERT, "looks": PALETTE[3], "sparse": SPARSE}
_PANELS = 12  # of learning curves, one a generation


def learning_curves(generations: Mapping[int, Sequence[tuple[Candidate, Curve]]], best: str) -> str:
    """Fitness in training against steps: a panel for each generation, the best labelled.

    Of more generations than fit, only each one's leader is drawn, all in one panel.
    """
    with mpl.rc_context(STYLE):
        if len(generations) > _PANELS:
            return _leaders(generations, best)
        columns = min(3, len(generations))
        rows = math.ceil(len(generations) / columns)
        figure = Figure((WIDTH, 2.5 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axis, (generation, trained) in zip(axes.flat, generations.items(), strict=False):
            axis.set_title(f"generation {generation}")
            leader = _leader(trained)
            for candidate, curve in sorted(trained, key=lambda pair: _fitness(pair[0])):
                name = candidate.id[3:] if candidate.id in (leader, best) else ""
                _curve(axis, curve, name, candidate.id == best)
            axis.margins(x=0.16 if columns > 1 else 0.08)
        for axis in list(axes.flat)[len(generations) :]:
            axis.remove()
        for axis in axes[:, 0]:
            axis.set_ylabel("fitness in training")
        figure.supxlabel("environment steps", size=10, color=MUTED)
        return svg(figure, "Learning curves of all trained candidates, by generation")


def _leaders(generations: Mapping[int, Sequence[tuple[Candidate, Curve]]], best: str) -> str:
    figure = Figure((WIDTH, 3.4), layout="constrained")
    axis = figure.subplots()
    last = max(generations)
    for generation, trained in generations.items():
        for candidate, curve in trained:
            if candidate.id not in (_leader(trained), best):
                continue
            named = candidate.id == best or generation in (0, last)
            _curve(axis, curve, candidate.id if named else "", candidate.id == best)
    axis.margins(x=0.1)
    axis.set_ylabel("fitness in training")
    axis.set_xlabel("environment steps")
    return svg(figure, "Learning curves of the best of each generation")


def _leader(trained: Sequence[tuple[Candidate, Curve]]) -> str:
    return max(trained, key=lambda pair: _fitness(pair[0]))[0].id if trained else ""


def _curve(axis: Axes, curve: Curve, name: str, is_best: bool) -> None:
    """Draw a training; one with a name stands out."""
    curve = thinned(curve)
    known = np.isfinite(curve.fitness)
    steps, fitness = curve.steps[known], curve.fitness[known]
    if not len(steps):
        return
    color, width = (FOUND, 2.2) if is_best else (MUTED, 1.6 if name else 0.9)
    axis.plot(steps, fitness, color=color, linewidth=width, alpha=1.0 if name else 0.5)
    if name:
        label(axis, name, (steps[-1], fitness[-1]), color)
    ticks_in_short(axis)


def reward_terms(curve: Curve) -> str:
    """Each term of a reward over training, on a scale of its own."""
    with mpl.rc_context(STYLE):
        columns = min(4, len(curve.terms))
        rows = math.ceil(len(curve.terms) / columns)
        figure = Figure((WIDTH, 1.75 * rows + 0.2), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for axis, (name, values) in zip(axes.flat, curve.terms.items(), strict=False):
            axis.set_title(drawable(name))
            axis.plot(curve.steps, values, color=FOUND)
            axis.axhline(0, color=MUTED, linewidth=0.6)
            axis.locator_params(nbins=4)
            ticks_in_short(axis)
        for axis in list(axes.flat)[len(curve.terms) :]:
            axis.remove()
        figure.supxlabel("environment steps", size=10, color=MUTED)
        return svg(figure, "The terms of the winning reward over training, mean per step")


def comparison(scores: Mapping[str, Score], names: Mapping[str, str]) -> str:
    """A dot for each training, the mean and its interval, a row for each reward."""
    with mpl.rc_context({**STYLE, "axes.grid.axis": "x", "axes.spines.left": False}):
        figure = Figure((WIDTH, 0.62 * len(scores) + 0.75), layout="constrained")
        axis = figure.subplots()
        for row, (name, score) in enumerate(scores.items()):
            color = _CONTENDER[name]
            axis.plot([score.low, score.high], [row, row], color=color, linewidth=2.4)
            axis.plot(score.fitness, row, "D", color=color, markersize=8)
            dots = np.full(len(score.trainings), row - 0.26)
            axis.plot(score.trainings, dots, "o", color=color, markersize=4.5, alpha=0.6)
        axis.set_yticks(range(len(scores)), [names[name] for name in scores], size=10.5)
        axis.tick_params("y", labelcolor=INK)
        axis.set_ylim(len(scores) - 0.5, -0.6)
        axis.set_xlabel("fitness in held-out episodes")
        return svg(figure, "Fitness of the rewards compared, with each training and 95% intervals")


def fitness_by_generation(
    generations: Mapping[int, Sequence[Candidate]],
    estimates: Mapping[str, Estimate],
    incumbents: Sequence[Incumbent],
    best: str,
    measure: str = "fitness",
) -> str:
    """Each candidate's trainings and estimate, what the search stood by, and at the foot the rest.

    Intervals are the estimates'. Those of what was measured would be over the episodes of one
    training, or over two trainings: far too narrow, or wider than the plot.
    """
    with mpl.rc_context(STYLE):
        figure = Figure((WIDTH, 3.1), layout="constrained")
        axis = figure.subplots()
        at = {
            c.id: column + 0.62 * ((c.index + 0.5) / len(candidates) - 0.5)
            for column, candidates in enumerate(generations.values())
            for c in candidates
        }
        everyone = [c for candidates in generations.values() for c in candidates]
        for marker, out in (
            ("x", [c for c in everyone if c.rejection]),
            ("_", [c for c in everyone if c.cut and not c.rejection and not c.score]),
        ):
            feet, foot = [at[c.id] for c in out], axis.get_xaxis_transform()
            axis.plot(feet, [0.02] * len(feet), marker, color=MUTED, markersize=5, transform=foot)
        for candidate in everyone:
            if candidate.id in estimates and candidate.score:
                known, x = estimates[candidate.id], at[candidate.id]
                marker, color = ("D", FOUND) if candidate.id == best else ("o", MUTED)
                axis.vlines(x, known.low, known.high, color=color, linewidth=1.2, alpha=0.7)
                axis.plot(x, known.mean, marker, color=color, ms=7 if marker == "D" else 5)
                dots = candidate.score.trainings
                axis.plot([x] * len(dots), dots, "_", color=color, ms=6, alpha=0.7)
        if best in estimates:
            _name(axis, best, at[best], estimates[best].high)
        _incumbents(axis, list(generations), incumbents)
        few = len(generations) <= 6
        names = [f"generation {n}" if few else str(n) for n in generations]
        axis.set_xticks(range(len(generations)), names)
        if not few:
            axis.set_xlabel("generation")
        axis.set_xlim(-0.5, len(generations) - 0.5)
        fit = measure == "fitness"
        axis.set_ylabel(f"{measure} in held-out episodes" if fit else measure)
        words = f"{measure.capitalize()} of every candidate by generation, with 95% intervals"
        return svg(figure, words)


def _name(axis: Axes, name: str, x: float, top: float) -> None:
    axis.annotate(
        name,
        (x, top),
        (0, 7),
        textcoords="offset points",
        ha="center",
        color=FOUND,
        weight="bold",
    )
    axis.margins(y=0.14)


def _incumbents(axis: Axes, generations: Sequence[int], incumbents: Sequence[Incumbent]) -> None:
    """Draw, across each generation, the estimate of what the search stood by after it."""
    stood = {one.generation: one.estimate.mean for one in incumbents if one.estimate}
    levels = [stood.get(generation, math.nan) for generation in generations]
    edges = np.arange(len(levels) + 1) - 0.5
    axis.stairs(levels, edges, baseline=None, color=FOUND, linewidth=1.0, alpha=0.5)


def _fitness(candidate: Candidate) -> float:
    return candidate.score.fitness if candidate.score else -math.inf
