"""A map of the rewards: what lies close together orders transitions alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from reward_synth.report.marks import marks, shades
from reward_synth.report.run import Distances
from reward_synth.report.words import number, plural
from reward_synth.search.candidate import Candidate

_WIDTH, _HEIGHT, _MARGIN = 640, 380, 30


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
    distances: Distances, candidates: Sequence[Candidate], best: str
) -> tuple[Markup, float]:
    """Return an SVG in which every reward links to its candidate, and the share it shows.

    The drawing is empty if fewer than three of the candidates have distances.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    shown = [i for i, id in enumerate(distances.ids) if id in by_id]
    if len(shown) < 3:
        return Markup(""), 0.0
    places, share = scaled(distances.matrix[np.ix_(shown, shown)])
    xy = _fitted(places)
    looks, shade = marks(candidates), shades(candidates)
    points = []
    for (x, y), i in sorted(zip(xy, shown, strict=True), key=lambda p: distances.ids[p[1]] == best):
        candidate = by_id[distances.ids[i]]
        look = looks[candidate.lineage]
        fitness = number(candidate.score.fitness) if candidate.score else "not scored"
        is_best = candidate.id == best
        points.append(
            Markup(
                '<a href="#{id}" class="point l{}{}"><title>{id}, lineage {}: {}</title>'
                '<path class="mark" d="{}" transform="translate({x:.1f} {y:.1f}) scale({})" '
                'style="fill-opacity:{:.2f}"/>{}</a>'
            ).format(
                look.colour,
                " best" if is_best else "",
                candidate.lineage,
                fitness,
                look.shape,
                9 if is_best else 6.5,
                0.9 * shade.get(candidate.id, 0.0),
                Markup('<text x="{:.1f}" y="{:.1f}">{}</text>').format(x + 12, y + 4, candidate.id)
                if is_best
                else "",
                id=candidate.id,
                x=x,
                y=y,
            )
        )
    return (
        Markup(
            '<svg class="map" role="group" aria-label="Map of {}" viewBox="0 0 {} {}">{}</svg>'
        ).format(plural(len(shown), "reward"), _WIDTH, _HEIGHT, Markup("").join(points)),
        share,
    )


def _fitted(places: np.ndarray) -> np.ndarray:
    """Return places in pixels, both axes on one scale."""
    size = np.array([_WIDTH, _HEIGHT]) - 2 * _MARGIN
    low, high = places.min(0), places.max(0)
    scale = float((size / np.maximum(high - low, 1e-9)).min())
    return (places - (low + high) / 2) * scale + np.array([_WIDTH, _HEIGHT]) / 2
