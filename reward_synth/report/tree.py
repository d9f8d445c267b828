"""The family tree: a row for each generation, a line from each parent to its child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from reward_synth.report.words import number, plural
from reward_synth.search.candidate import Candidate

_NODE = 92, 40
_STEP = 106, 92  # from a node to the next, across and down


def family_tree(generations: Mapping[int, Sequence[Candidate]], best: str) -> Markup:
    """Return an SVG in which every candidate links to its place further down the page."""
    places = {
        candidate.id: (column * _STEP[0] + 1, row * _STEP[1] + 1)
        for row, candidates in enumerate(generations.values())
        for column, candidate in enumerate(candidates)
    }
    everyone = [c for candidates in generations.values() for c in candidates]
    fitness = [c.score.fitness for c in everyone if c.score]
    low, high = min(fitness, default=0.0), max(fitness, default=0.0)
    lines = [_line(places, parent, c, best) for c in everyone for parent in c.parents]
    nodes = [_node(places[c.id], c, low, high, c.id == best) for c in everyone]
    width = max(x for x, _ in places.values()) + _NODE[0] + 1
    height = max(y for _, y in places.values()) + _NODE[1] + 1
    return Markup(
        '<svg class="tree" role="group" aria-label="Family tree of {}" '
        'viewBox="0 0 {} {}" width="{}" height="{}">{}{}</svg>'
    ).format(
        plural(len(everyone), "candidate"),
        width,
        height,
        width,
        height,
        Markup("").join(lines),
        Markup("").join(nodes),
    )


def _line(
    places: Mapping[str, tuple[int, int]], parent: str, child: Candidate, best: str
) -> Markup:
    if parent not in places:
        return Markup("")
    (x1, y1), (x2, y2) = places[parent], places[child.id]
    x1, y1, x2 = x1 + _NODE[0] // 2, y1 + _NODE[1], x2 + _NODE[0] // 2
    middle = (y1 + y2) // 2
    return Markup('<path class="{}" d="M{} {}C{} {} {} {} {} {}"/>').format(
        "line to-best" if child.id == best else "line", x1, y1, x1, middle, x2, middle, x2, y2
    )


def _node(
    place: tuple[int, int], candidate: Candidate, low: float, high: float, is_best: bool
) -> Markup:
    x, y = place
    if candidate.score:
        kind, below = "trained", number(candidate.score.fitness)
        share = (candidate.score.fitness - low) / (high - low) if high > low else 1.0
    else:
        kind = "rejected" if candidate.rejection else "waiting"
        below, share = candidate.rejection.stage if candidate.rejection else "not trained", 0.0
    return Markup(
        '<a href="#{id}" class="node {kind}{best}" aria-label="{id}, {kind}, {below}">'
        '<rect class="ground" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>'
        '<rect class="fill" x="{x}" y="{y}" width="{w}" height="{h}" rx="6" style="opacity:{a}"/>'
        '<text x="{middle}" y="{first}">{id}</text>'
        '<text class="below" x="{middle}" y="{second}">{below}</text></a>'
    ).format(
        id=candidate.id,
        kind=kind,
        best=" best" if is_best else "",
        below=below,
        x=x,
        y=y,
        w=_NODE[0],
        h=_NODE[1],
        a=f"{0.05 + 0.3 * share:.2f}",
        middle=x + _NODE[0] // 2,
        first=y + 17,
        second=y + 32,
    )
