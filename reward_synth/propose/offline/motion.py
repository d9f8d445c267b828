"""Measures of motion: speeds along axes, progress, heights, turning."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from reward_synth.propose.offline.measures import (
    TYPICAL_SPEED,
    TYPICAL_TURNING,
    Kind,
    Measure,
    attention,
    minus,
    number,
)
from reward_synth.propose.offline.views import View
from reward_synth.propose.offline.words import Wish, heading
from reward_synth.records import TaskDescription

_DIRECTIONS = {
    ("x", 1): "forward",
    ("x", -1): "backward",
    ("y", 1): "leftward",
    ("y", -1): "rightward",
    ("z", 1): "rise",
    ("z", -1): "descent",
}


def motions(view: View, description: TaskDescription) -> Iterator[Measure]:
    """Yield the measures of how a view moves."""
    if view.unit in ("m", "m/s"):
        for i, sign in itertools.product(range(view.size), (1, -1)):
            yield _speed(view, i, sign, description)
    if view.unit == "m":
        yield from (_height(view, i, description) for i in range(view.size) if view.axis(i) == "z")
    if view.unit == "rad/s":
        for i, sign in itertools.product(range(view.size), (1, -1)):
            yield _turning(view, i, sign, description)


def _speed(view: View, i: int, sign: int, description: TaskDescription) -> Measure:
    """A velocity along an axis, or the progress of a position over a step."""
    axis = view.axis(i)
    direction = _DIRECTIONS.get((axis, sign), f"{view.part(i)}_{'out' if sign > 0 else 'in'}")
    now, before = view.code(component=i), view.code("state", i)
    if view.unit == "m/s":
        name, code = direction, now if sign > 0 else f"-{now}"
        phrase = view.title(i) if sign > 0 else f"{view.title(i)}, reversed,"
    else:
        first, second = (now, before) if sign > 0 else (before, now)
        name = f"{direction}_progress"
        code = f"({first} - {second}) / {description.timestep:g}"
        phrase = f"the {'growth' if sign > 0 else 'fall'} of {view.title(i)} per second"
    return Measure(
        wish=Wish.RAISE if axis == "z" else Wish.TRAVEL,
        kind=Kind.GAIN,
        name=name,
        local=f"{view.stem}_{direction}_{'velocity' if view.unit == 'm/s' else 'rate'}",
        code=code,
        phrase=phrase,
        typical=TYPICAL_SPEED,
        prior=attention(description.sentence, view) * _fit(axis, sign, description.sentence),
        fields=(view.field.name,),
    )


def _fit(axis: str, sign: int, sentence: str) -> float:
    wanted_axis, wanted_sign = heading(sentence)
    if axis == "z":
        return 2.0 if sign > 0 else 0.2
    if axis == wanted_axis:
        return 12.0 if sign == wanted_sign else 0.5
    return 1.0 if axis else 0.3


def _height(view: View, i: int, description: TaskDescription) -> Measure:
    return Measure(
        wish=Wish.RAISE,
        kind=Kind.GAIN,
        name="height",
        local=f"{view.stem}_lift",
        code=minus(view.code(component=i), view.home[i]),
        phrase=f"the gain of {view.title(i)} over its initial {number(view.home[i])} m",
        typical=max(0.3 * abs(view.home[i]), 0.1),
        prior=4.0 * attention(description.sentence, view),
        fields=(view.field.name,),
    )


def _turning(view: View, i: int, sign: int, description: TaskDescription) -> Measure:
    name = f"{view.part(i)}_{'spin' if sign > 0 else 'counterspin'}"
    return Measure(
        wish=Wish.SPIN,
        kind=Kind.GAIN,
        name=name,
        local=f"{name}_rate",
        code=f"{'' if sign > 0 else '-'}{view.code(component=i)}",
        phrase=view.title(i) if sign > 0 else f"{view.title(i)}, reversed,",
        typical=TYPICAL_TURNING,
        prior=attention(description.sentence, view) * (2.0 if view.axis(i) == "z" else 1.0),
        fields=(view.field.name,),
    )
