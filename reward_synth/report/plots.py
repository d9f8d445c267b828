"""The report's plots, as SVG that takes its colours and its typeface from the page around it.

matplotlib draws with stand-in colours, which are then replaced by CSS variables:
one drawing serves light and dark. Colours are Okabe and Ito's, told apart by
people of any colour vision, and no plot depends on colour alone.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reward_synth.feedback.scores import Score
from reward_synth.report.run import Curve
from reward_synth.search.candidate import Candidate

_INK, _MUTED, _RULE = "#010203", "#010204", "#010205"
_FOUND, _EXPERT, _SPARSE = "#010206", "#010207", "#010208"
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _RULE: "var(--rule)",
    _FOUND: "var(--found)",
    _EXPERT: "var(--expert)",
    _SPARSE: "var(--sparse)",
}
_CONTENDER = {"found": _FOUND, "expert": _EXPERT, "sparse": _SPARSE}
_STYLE: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of terms are a model's and may hold anything
    "font.size": 10.0,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.titlecolor": _INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": _RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
}
_WIDTH = 8.6  # inches; at 72 units each the page shows it about 1:1


def learning_curves(generations: Mapping[int, Sequence[tuple[Candidate, Curve]]], best: str) -> str:
    """Fitness in training against steps: a panel for each generation, the best labelled."""
    with mpl.rc_context(_STYLE):
        columns = min(3, len(generations))
        rows = math.ceil(len(generations) / columns)
        figure = Figure((_WIDTH, 2.5 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axis, (generation, trained) in zip(axes.flat, generations.items(), strict=False):
            axis.set_title(f"generation {generation}")
            leader = max(trained, key=lambda pair: _fitness(pair[0]), default=(None, None))[0]
            for candidate, curve in sorted(trained, key=lambda pair: _fitness(pair[0])):
                _curve(axis, curve, candidate, candidate.id == best, candidate is leader)
            axis.margins(x=0.16 if columns > 1 else 0.08)
        for axis in list(axes.flat)[len(generations) :]:
            axis.remove()
        for axis in axes[:, 0]:
            axis.set_ylabel("fitness in training")
        figure.supxlabel("environment steps", size=10, color=_MUTED)
        return _svg(figure, "Learning curves of all trained candidates, by generation")


def _curve(axis: Axes, curve: Curve, candidate: Candidate, is_best: bool, leads: bool) -> None:
    known = np.isfinite(curve.fitness)
    steps, fitness = curve.steps[known] / 1000, curve.fitness[known]
    if not len(steps):
        return
    color, width = (_FOUND, 2.2) if is_best else (_MUTED, 1.6 if leads else 0.9)
    axis.plot(steps, fitness, color=color, linewidth=width, alpha=1.0 if leads or is_best else 0.5)
    if leads or is_best:
        _label(axis, candidate.id[3:], (steps[-1], fitness[-1]), color)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}k" if value else "0")


def _label(axis: Axes, text: str, place: tuple[float, float], color: str) -> None:
    axis.annotate(
        text, place, (6, 0), textcoords="offset points", color=color, va="center", weight="bold"
    )


def reward_terms(curve: Curve) -> str:
    """Each term of a reward over training, on a scale of its own."""
    with mpl.rc_context(_STYLE):
        columns = min(4, len(curve.terms))
        rows = math.ceil(len(curve.terms) / columns)
        figure = Figure((_WIDTH, 1.75 * rows + 0.2), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for axis, (name, values) in zip(axes.flat, curve.terms.items(), strict=False):
            axis.set_title(_drawable(name))
            axis.plot(curve.steps / 1000, values, color=_FOUND)
            axis.axhline(0, color=_MUTED, linewidth=0.6)
            axis.locator_params(nbins=4)
            axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}k" if value else "0")
        for axis in list(axes.flat)[len(curve.terms) :]:
            axis.remove()
        figure.supxlabel("environment steps", size=10, color=_MUTED)
        return _svg(figure, "The terms of the winning reward over training, mean per step")


def comparison(scores: Mapping[str, Score], names: Mapping[str, str]) -> str:
    """A dot for each training, the mean and its interval, a row for each reward."""
    with mpl.rc_context({**_STYLE, "axes.grid.axis": "x", "axes.spines.left": False}):
        figure = Figure((_WIDTH, 0.62 * len(scores) + 0.75), layout="constrained")
        axis = figure.subplots()
        for row, (name, score) in enumerate(scores.items()):
            color = _CONTENDER[name]
            axis.plot([score.low, score.high], [row, row], color=color, linewidth=2.4)
            axis.plot(score.fitness, row, "D", color=color, markersize=8)
            dots = np.full(len(score.trainings), row - 0.26)
            axis.plot(score.trainings, dots, "o", color=color, markersize=4.5, alpha=0.6)
        axis.set_yticks(range(len(scores)), [names[name] for name in scores], size=10.5)
        axis.tick_params("y", labelcolor=_INK)
        axis.set_ylim(len(scores) - 0.5, -0.6)
        axis.set_xlabel("fitness in held-out episodes")
        return _svg(figure, "Fitness of the rewards compared, with each training and 95% intervals")


def fitness_by_generation(generations: Mapping[int, Sequence[Candidate]], best: str) -> str:
    """Each candidate's fitness with its interval, the best so far, and crosses for the rejected."""
    with mpl.rc_context(_STYLE):
        figure = Figure((_WIDTH, 3.1), layout="constrained")
        axis = figure.subplots()
        at_foot = axis.get_xaxis_transform()
        record, records = -math.inf, []
        for column, candidates in enumerate(generations.values()):
            for candidate in candidates:
                x = column + 0.62 * ((candidate.index + 0.5) / len(candidates) - 0.5)
                if candidate.score is None:
                    axis.plot(x, 0.02, "x", color=_MUTED, markersize=5, transform=at_foot)
                    continue
                color = _FOUND if candidate.id == best else _MUTED
                _bar(axis, x, candidate.score, color, candidate.id == best)
                if candidate.id == best:
                    _label(axis, best, (x, candidate.score.fitness), color)
                record = max(record, candidate.score.fitness)
            records.append(record if math.isfinite(record) else math.nan)
        edges = np.arange(len(records) + 1) - 0.5
        axis.stairs(records, edges, baseline=None, color=_FOUND, linewidth=1.0, alpha=0.5)
        axis.set_xticks(range(len(generations)), [f"generation {n}" for n in generations])
        axis.set_xlim(-0.5, len(generations) - 0.5)
        axis.set_ylabel("fitness in held-out episodes")
        return _svg(figure, "Fitness of every candidate by generation, with 95% intervals")


def _bar(axis: Axes, x: float, score: Score, color: str, is_best: bool) -> None:
    if math.isfinite(score.low) and math.isfinite(score.high):
        axis.plot([x, x], [score.low, score.high], color=color, linewidth=1.2, alpha=0.7)
    axis.plot(
        x, score.fitness, "D" if is_best else "o", color=color, markersize=7 if is_best else 5
    )


def _drawable(name: str) -> str:
    """Shorten a name that a model chose and replace what fonts lack."""
    known = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in name)
    return known if len(known) <= 24 else f"{known[:23]}…"


def _fitness(candidate: Candidate) -> float:
    return candidate.score.fitness if candidate.score else -math.inf


def _svg(figure: Figure, label: str) -> Markup:
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": label}):  # ids differ between the plots of one page
        FigureCanvasSVG(figure).print_svg(file, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    text = re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", text, count=3)
    text = re.sub(r' id="[\w.]+_\d+"', "", text)  # those that nothing refers to
    opening = f'<svg class="plot" role="img" aria-label="{escape(label)}"'
    return Markup(text.replace("<svg", opening, 1))
