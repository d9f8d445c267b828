"""Measures of pose: alignment, gaps to the initial pose, standing still."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from reward_synth.propose.offline.measures import (
    TYPICAL_ANGLE,
    TYPICAL_LENGTH,
    TYPICAL_SPEED,
    TYPICAL_TURNING,
    Kind,
    Measure,
    attention,
    distance_from,
    minus,
    number,
)
from reward_synth.propose.offline.views import View, is_unit_vector
from reward_synth.propose.offline.words import Wish, names_lean, upright_angle
from reward_synth.records import TaskDescription


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes measures of one view."""

    view: View
    attention: float

    def cosine(self, name: str, code: str, phrase: str, fit: float) -> Measure:
        return self._make(Wish.ORIENT, Kind.COSINE, name, f"{name}_cosine", code, phrase, 1.0, fit)

    def gap(
        self, wish: Wish, name: str, code: str, phrase: str, typical: float, fit: float
    ) -> Measure:
        local = f"{self.view.stem}_{name.removeprefix(self.view.stem + '_')}_gap"
        return self._make(wish, Kind.GAP, name, local, code, phrase, typical, fit)

    def _make(
        self,
        wish: Wish,
        kind: Kind,
        name: str,
        local: str,
        code: str,
        phrase: str,
        typical: float,
        fit: float,
    ) -> Measure:
        fields = (self.view.field.name,)
        return Measure(wish, kind, name, local, code, phrase, typical, fit * self.attention, fields)


def poses(view: View, description: TaskDescription) -> Iterator[Measure]:
    """Yield the measures of how a view stands to where it should be."""
    make = _Maker(view, attention(description.sentence, view))
    if view.unit == "rad" and view.size == 1:
        yield from _angle(view, make)
    elif is_unit_vector(view) and view.size == 4:
        yield _quaternion(view, make)
    elif is_unit_vector(view):
        yield from _unit_vector(view, make)
    if view.unit in ("m", "rad"):
        yield from _home(view, make)
    if view.unit in ("m/s", "rad/s"):
        typical = TYPICAL_SPEED if view.unit == "m/s" else TYPICAL_TURNING
        still = distance_from(view, (0.0,) * view.size)
        name = f"{view.stem}_{'still' if view.unit == 'm/s' else 'unturning'}"
        yield make.gap(Wish.HOLD, name, still, f"the size of {view.title()}", typical, 1.0)


def _angle(view: View, make: _Maker) -> Iterator[Measure]:
    """The cosine of an angle, periodic, and of its opposite; the gap to upright."""
    upright = upright_angle(view.text)
    for name, sign, angle, of in (
        ("aligned", "", 0.0, ""),
        ("inverted", "-", math.pi, " from its opposite"),
    ):
        fit = 2.0 if upright is None else 8.0 if upright == angle else 0.5
        phrase = f"the cosine of {view.title()}{of}"
        yield make.cosine(f"{view.stem}_{name}", f"{sign}jnp.cos({view.code()})", phrase, fit)
    if upright is not None or names_lean(view.field.name):
        target = upright or 0.0
        code = distance_from(view, (target,))
        phrase = f"the gap between {view.title()} and {number(target)}"
        typical = max(abs(view.home[0] - target), TYPICAL_ANGLE)
        yield make.gap(Wish.ORIENT, "upright", code, phrase, typical, 4.0)


def _quaternion(view: View, make: _Maker) -> Measure:
    """The world's z component of the body's z axis."""
    first = 1 if abs(view.home[0]) > 0.5 else 0  # the scalar stands first, as in MuJoCo, or last
    x, y = (view.code(component=i) for i in (first, first + 1))
    phrase = f"how far up {view.title()} turns the body's z axis"
    return make.cosine("upright", f"1.0 - 2.0 * ({x}**2 + {y}**2)", phrase, 4.0)


def _unit_vector(view: View, make: _Maker) -> Iterator[Measure]:
    for i, sign in itertools.product(range(view.size), (1, -1)):
        at_home = view.home[i] * sign > 0.5
        up = (view.axis(i) == "z" or "cos" in view.labels[i]) and sign > 0
        name = f"{view.part(i)}{'' if sign > 0 else '_reversed'}"
        code = f"{'' if sign > 0 else '-'}{view.code(component=i)}"
        phrase = view.title(i) if sign > 0 else f"{view.title(i)}, reversed,"
        yield make.cosine(name, code, phrase, (4.0 if up else 0.5) * (4.0 if at_home else 1.0))


def _home(view: View, make: _Maker) -> Iterator[Measure]:
    """The gap to the initial pose; of a position, also that of its height alone."""
    typical = TYPICAL_ANGLE if view.unit == "rad" else TYPICAL_LENGTH
    upright = upright_angle(view.text) if view.unit == "rad" and view.size == 1 else None
    hanging = upright is not None and abs(view.home[0] - upright) > 1.0
    yield make.gap(
        Wish.HOLD,
        f"{view.stem}_home",
        distance_from(view, view.home),
        f"the distance of {view.title()} from the initial pose",
        typical * math.sqrt(view.size),
        0.1 if hanging else 1.0,
    )
    heights = [i for i in range(view.size) if view.axis(i) == "z"]
    if view.unit == "m" and view.size > 1 and len(heights) == 1:
        code, home = view.code(component=heights[0]), view.home[heights[0]]
        yield make.gap(
            Wish.HOLD,
            f"{view.stem}_level",
            f"jnp.abs({minus(code, home)})",
            f"the gap between {view.title(heights[0])} and its initial {number(home)} m",
            max(0.2 * abs(home), 0.1),
            1.0,
        )
