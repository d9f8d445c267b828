"""A training as a small drawing, light enough that a page can hold hundreds."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from reward_synth.report.run import Curve
from reward_synth.report.words import compact, number

POINTS = 60
_WIDTH, _HEIGHT, _FOOT = 260, 84, 16


def thinned(curve: Curve, points: int = POINTS) -> Curve:
    """Return means over at most so many equal parts of a training; steps are those at their ends.

    A part in which no episode ended has no fitness, as in the whole.
    """
    if len(curve.steps) <= points:
        return curve
    edges = np.linspace(0, len(curve.steps), points + 1).astype(int)

    def means(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        sums = np.add.reduceat(np.where(known, values, 0.0), edges[:-1])
        counts = np.add.reduceat(known.astype(int), edges[:-1])
        return np.where(counts, sums / np.maximum(counts, 1), np.nan)

    terms = {name: means(values) for name, values in curve.terms.items()}
    return Curve(curve.steps[edges[1:] - 1], means(curve.fitness), terms)


def drawings(curve: Curve) -> Markup:
    """Return a figure for the fitness and one for each term, each on a scale of its own."""
    thin = thinned(curve)
    rows = [("fitness in training", thin.fitness), *thin.terms.items()]
    return Markup("").join(
        Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(
            name, _drawing(name, thin.steps, values)
        )
        for name, values in rows
        if np.isfinite(values).any()
    )


def _drawing(name: str, steps: np.ndarray, values: np.ndarray) -> Markup:
    last, known = float(steps[-1]), np.isfinite(values)
    steps, values = steps[known], values[known]
    low, high = float(values.min()), float(values.max())
    across = (_WIDTH * steps / last if last > 0 else np.zeros_like(steps)).round(1)
    down = ((_HEIGHT - 6) * (high - values) / (high - low or 1.0) + 3).round(1)
    points = " ".join(f"{x:g},{y:g}" for x, y in zip(across, down, strict=True))
    return Markup(
        '<svg class="curve" role="img" viewBox="0 0 {w} {h}"><title>{}: {} to {}, last {}</title>'
        '<path class="foot" d="M0 {foot}H{w}"/><polyline points="{}"/>'
        '<text x="0" y="{base}">{} to {}</text>'
        '<text class="end" x="{w}" y="{base}">{} steps</text></svg>'
    ).format(
        name,
        number(low),
        number(high),
        number(float(values[-1])),
        points,
        number(low),
        number(high),
        compact(last),
        w=_WIDTH,
        h=_HEIGHT + _FOOT,
        foot=_HEIGHT,
        base=_HEIGHT + 12,
    )
