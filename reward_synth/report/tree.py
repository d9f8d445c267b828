"""The family tree: generations down, lineages side by side, a line from each parent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reward_synth.feedback.estimates import Estimate
from reward_synth.report import nodes
from reward_synth.report.marks import Mark, marks, shades
from reward_synth.report.words import plural
from reward_synth.search.candidate import Candidate

_ROOMY = 48  # candidates that are shown with their names
_LEFT = 30  # of the generations' numbers
_TOP = 4
_GAP = 14  # between lanes


@dataclass(frozen=True, slots=True)
class _Grid:
    """Sizes in pixels: a node's, and from one to the next, across and down."""

    node: tuple[int, int]
    step: tuple[int, int]

    @property
    def named(self) -> bool:
        return self is _LARGE


_LARGE = _Grid(nodes.LARGE, (98, 104))
_SMALL = _Grid(nodes.SMALL, (25, 44))


@dataclass(frozen=True, slots=True)
class _Lane:
    """A strip of the tree for lineages of which one begins where another has ended."""

    lineages: tuple[int, ...]
    left: int
    columns: int


def family_tree(
    candidates: Sequence[Candidate], estimates: Mapping[str, Estimate], best: str
) -> Markup:
    """Return an SVG in which every candidate links to its place further down the page."""
    grid = _SMALL if is_large(candidates) else _LARGE
    rows = {n: row for row, n in enumerate(sorted({c.generation for c in candidates}))}
    lanes = _lanes(candidates, grid)
    places = _places(candidates, lanes, rows, grid)
    looks, shade = marks(candidates), shades(estimates)
    width = lanes[-1].left + lanes[-1].columns * grid.step[0] + _GAP
    height = _TOP + len(rows) * grid.step[1]
    lines = [
        _line(places[parent], places[c.id], c, parent, looks[c.lineage], grid, first=i == 0)
        for c in candidates
        for i, parent in enumerate(c.parents)
        if parent in places
    ]
    drawn = [
        _node(
            places[c.id],
            c,
            nodes.outcome(c, estimates.get(c.id)),
            nodes.look(c, looks[c.lineage].colour, shade.get(c.id), best),
            grid,
        )
        for c in candidates
    ]
    return Markup(
        '<svg class="tree{}" role="group" aria-label="Family tree of {}" '
        'viewBox="0 0 {w} {h}" width="{w}" height="{h}">{}{}{}{}{}</svg>'
    ).format(
        " named" if grid.named else "",
        plural(len(candidates), "candidate"),
        _bands(lanes, grid, height),
        _rows(rows, grid),
        Markup("").join(lines),
        _beginnings(candidates, places, looks, grid),
        Markup("").join(drawn),
        w=width,
        h=height,
    )


def is_large(candidates: Sequence[Candidate]) -> bool:
    """Whether nodes are too many for names and show signs instead."""
    return len(candidates) > _ROOMY


def _lanes(candidates: Sequence[Candidate], grid: _Grid) -> list[_Lane]:
    """Give each lineage a lane, the first that is free from its first generation on."""
    members: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for candidate in candidates:
        members[candidate.lineage][candidate.generation] += 1
    shared: list[list[int]] = []
    for lineage in sorted(members, key=lambda number: (min(members[number]), number)):
        free = (lane for lane in shared if max(members[lane[-1]]) < min(members[lineage]))
        lane = next(free, None)
        if lane is None:
            shared.append([lineage])
        else:
            lane.append(lineage)
    lanes, left = [], _LEFT
    for lane in shared:
        columns = max(max(members[lineage].values()) for lineage in lane)
        lanes.append(_Lane(tuple(lane), left, columns))
        left += columns * grid.step[0] + _GAP
    return lanes


def _places(
    candidates: Sequence[Candidate], lanes: Sequence[_Lane], rows: Mapping[int, int], grid: _Grid
) -> dict[str, tuple[int, int]]:
    """Return each node's upper left corner: in its lane by its index, without gaps."""
    lane_of = {lineage: lane for lane in lanes for lineage in lane.lineages}
    taken: defaultdict[tuple[int, int], int] = defaultdict(int)
    places = {}
    for candidate in sorted(candidates, key=lambda c: (c.generation, c.index)):
        lane = lane_of[candidate.lineage]
        column = taken[lane.left, candidate.generation]
        taken[lane.left, candidate.generation] += 1
        beneath = _TOP + grid.step[1] - grid.node[1] - 8
        places[candidate.id] = (
            lane.left + _GAP // 2 + column * grid.step[0],
            beneath + rows[candidate.generation] * grid.step[1],
        )
    return places


def _bands(lanes: Sequence[_Lane], grid: _Grid, height: int) -> Markup:
    return Markup("").join(
        Markup('<rect class="lane" x="{}" y="0" width="{}" height="{}" rx="6"/>').format(
            lane.left, lane.columns * grid.step[0] + 4, height
        )
        for lane in lanes
    )


def _rows(rows: Mapping[int, int], grid: _Grid) -> Markup:
    middle = _TOP + grid.step[1] - grid.node[1] // 2 - 4
    return Markup("").join(
        Markup('<text class="generation" x="{}" y="{}">{}</text>').format(
            _LEFT - 10, middle + row * grid.step[1], n
        )
        for n, row in rows.items()
    )


def _beginnings(
    candidates: Sequence[Candidate],
    places: Mapping[str, tuple[int, int]],
    looks: Mapping[int, Mark],
    grid: _Grid,
) -> Markup:
    """Name each lineage where it begins."""
    firsts: dict[int, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (c.generation, c.index)):
        firsts.setdefault(candidate.lineage, candidate)
    parts = []
    for lineage, first in firsts.items():
        x, y = places[first.id]
        parts.append(
            Markup(
                '<g class="l{}"><path class="mark" d="{}" transform="translate({} {}) scale(5)"/>'
                '<text class="lineage" x="{}" y="{}">{}{}</text></g>'
            ).format(
                looks[lineage].colour,
                looks[lineage].shape,
                x + 6,
                y - 13,
                x + 15,
                y - 9,
                "lineage " if grid.named else "",
                lineage,
            )
        )
    return Markup("").join(parts)


def _line(
    parent: tuple[int, int],
    child: tuple[int, int],
    candidate: Candidate,
    parent_id: str,
    mark: Mark,
    grid: _Grid,
    first: bool,
) -> Markup:
    """Return a curve; dashed from a parent that only gave a part."""
    half = grid.node[0] // 2
    x1, y1, x2, y2 = parent[0] + half, parent[1] + grid.node[1], child[0] + half, child[1]
    bend = min((y2 - y1) // 2, grid.step[1] // 2)
    return Markup(
        '<path class="line {}l{}" data-p="{}" data-c="{}" d="M{} {}C{} {} {} {} {} {}"/>'
    ).format(
        "" if first else "donor ",
        mark.colour,
        parent_id,
        candidate.id,
        *(x1, y1, x1, y1 + bend, x2, y2 - bend, x2, y2),
    )


def _node(
    place: tuple[int, int], candidate: Candidate, became: str, look: nodes.Look, grid: _Grid
) -> Markup:
    title = "; ".join(
        [
            f"{candidate.id}, lineage {candidate.lineage}: {became}",
            *look.remarks,
            *["the best"] * look.is_best,
        ]
    )
    return Markup(
        '<a href="#{}" class="{}" transform="translate({} {})"><title>{}</title>{}</a>'
    ).format(
        candidate.id,
        look.classes,
        *place,
        title,
        nodes.card(look, candidate.id, became) if grid.named else nodes.sign(look),
    )
