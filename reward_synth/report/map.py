"""A map of the rewards: what lies close together orders transitions alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from reward_synth.feedback.estimates import Estimate
from reward_synth.report.marks import Mark, marks, shades
from reward_synth.report.run import Distances
from reward_synth.report.words import number, plural
from reward_synth.search.candidate import Candidate

_WIDTH, _MARGIN = 640, 24
_HEIGHTS = 140, 420  # the least and the most


def scaled(distances: np.ndarray) -> tuple[np.ndarray, float]:
    """Lay points out in two dimensions by classical scaling (Torgerson 1952).

    Args:
      distances: (N, N), symmetric.

    Returns:
      (N, 2) places and the share of the squared distances' spread that two dimensions hold.
    """
    count = len(distances)
    centring = np.eye(count) - 1 / count
    products = -0.5 * centring @ (distances + distances.T) ** 2 @ centring / 4
    values, vectors = np.linalg.eigh(products)
    largest = np.maximum(values[::-1][:2], 0.0)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)  # signs are free
    total = float(np.maximum(values, 0.0).sum())
    return axes * np.sqrt(largest), float(largest.sum()) / total if total > 0 else 1.0


def reward_map(
    distances: Distances,
    candidates: Sequence[Candidate],
    estimates: Mapping[str, Estimate],
    best: str,
) -> tuple[Markup, float]:
    """Return an SVG in which every reward links to its candidate, and the share it shows.

    The drawing is empty if fewer than three of the candidates have distances.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    shown = [i for i, id in enumerate(distances.ids) if id in by_id]
    if len(shown) < 3:
        return Markup(""), 0.0
    places, share = scaled(distances.matrix[np.ix_(shown, shown)])
    xy, height = _fitted(places)
    looks, shade = marks(candidates), shades(estimates)
    on_top = sorted(zip(xy, shown, strict=True), key=lambda pair: distances.ids[pair[1]] == best)
    points = []
    for place, i in on_top:
        candidate = by_id[distances.ids[i]]
        look, full = looks[candidate.lineage], shade.get(candidate.id, 0.0)
        fitness = estimates[candidate.id].mean if candidate.id in estimates else None
        points.append(_point(candidate, fitness, place, look, full, candidate.id == best))
    return (
        Markup(
            '<svg class="map" role="group" aria-label="Map of {}" viewBox="0 0 {} {}">{}</svg>'
        ).format(plural(len(shown), "reward"), _WIDTH, height, Markup("").join(points)),
        share,
    )


def _point(
    candidate: Candidate,
    fitness: float | None,
    place: np.ndarray,
    look: Mark,
    shade: float,
    is_best: bool,
) -> Markup:
    x, y = place.round(1).tolist()
    near_edge = x > _WIDTH - 100
    name = Markup('<text x="{}" y="{}"{}>{}</text>').format(
        x + (-12 if near_edge else 12),
        y + 4,
        Markup(' style="text-anchor:end"') if near_edge else "",
        candidate.id,
    )
    return Markup(
        '<a href="#{id}" class="point l{}{}"><title>{id}, lineage {}: {}</title>'
        '<path class="mark" d="{}" transform="translate({} {}) scale({})" '
        'style="fill-opacity:{:.2f}"/>{}</a>'
    ).format(
        look.colour,
        " best" if is_best else "",
        candidate.lineage,
        "not scored" if fitness is None else number(fitness),
        look.shape,
        x,
        y,
        9 if is_best else 6.5,
        0.9 * shade,
        name if is_best else "",
        id=candidate.id,
    )


def _fitted(places: np.ndarray) -> tuple[np.ndarray, int]:
    """Return places in pixels, both axes on one scale, and the height of the drawing."""
    low, high = places.min(0), places.max(0)
    room = np.array([_WIDTH, _HEIGHTS[1]]) - 2 * _MARGIN
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    height = max(round((high - low)[1] * scale) + 2 * _MARGIN, _HEIGHTS[0])
    return (places - (low + high) / 2) * scale + np.array([_WIDTH, height]) / 2, height
