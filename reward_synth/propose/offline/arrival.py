"""Measures of arrival: distances that should vanish, and how fast they do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reward_synth.propose.offline.measures import TYPICAL_SPEED, Kind, Measure, attention
from reward_synth.propose.offline.views import View
from reward_synth.propose.offline.words import Wish, names_error, names_goal, names_object
from reward_synth.records import TaskDescription

_MOST_PLACES = 8  # pairs of positions grow quadratically
_SHORTEST = 0.2  # m or rad; places may start closer than they do in episodes


def arrivals(views: Sequence[View], description: TaskDescription) -> Iterator[Measure]:
    """Yield the measures of how near things are to each other."""
    sentence, dt = description.sentence, description.timestep
    lengths = [view for view in views if view.unit in ("m", "rad")]
    errors = [view for view in lengths if names_error(view.field.name, view.field.meaning)]
    for view in errors:
        norm = "jnp.abs" if view.scalar else "jnp.linalg.norm"
        distance = Measure(
            wish=Wish.ARRIVE,
            kind=Kind.GAP,
            name=view.stem,
            local=f"{view.stem}_distance",
            code=f"{norm}({view.code()})",
            phrase=f"the size of {view.title()}",
            typical=max(math.hypot(*view.home), _SHORTEST),
            prior=8.0 * attention(sentence, view),
            fields=(view.field.name,),
        )
        yield distance
        yield _approach(distance, f"{norm}({view.code('state')})", dt)
    places = [view for view in lengths if view not in errors]
    places.sort(key=lambda v: -attention(sentence, v) * (100 if names_goal(v.field.name) else 1))
    for a, b in itertools.combinations(places[:_MOST_PLACES], 2):
        thing, place = (b, a) if names_goal(a.field.name) else (a, b)
        if not _comparable(thing, place):
            continue
        norm = "jnp.abs" if thing.scalar else "jnp.linalg.norm"
        distance = Measure(
            wish=Wish.ARRIVE,
            kind=Kind.GAP,
            name=f"{thing.stem}_to_{place.stem}",
            local=f"{thing.stem}_to_{place.stem}_distance",
            code=f"{norm}({thing.code()} - {place.code()})",
            phrase=f"the distance from {thing.title()} to {place.title()}",
            typical=max(math.dist(thing.home, place.home), _SHORTEST),
            prior=_fit(thing, place, sentence),
            fields=(thing.field.name, place.field.name),
        )
        yield distance
        yield _approach(distance, f"{norm}({thing.code('state')} - {place.code('state')})", dt)


def _comparable(thing: View, place: View) -> bool:
    """Whether two views are the same kind of number and could be meant to meet."""
    alike = (thing.unit, thing.size) == (place.unit, place.size)
    same_frame = thing.field.frame == place.field.frame
    spatial = thing.unit == "m" and thing.size in (2, 3)
    return alike and same_frame and (spatial or names_goal(place.field.name))


def _fit(thing: View, place: View, sentence: str) -> float:
    """How likely a thing is meant to come to a place: a goal, or something to be handled."""
    fit = math.sqrt(attention(sentence, thing))
    if names_goal(place.field.name):
        return fit * (24.0 if names_object(thing.field.name) else 8.0)
    if names_object(place.field.name) or names_object(thing.field.name):
        fit *= 4.0
    return fit * math.sqrt(attention(sentence, place))


def _approach(distance: Measure, before: str, timestep: float) -> Measure:
    """The speed at which a distance shrinks."""
    earlier = f"{distance.name}_before"
    return replace(
        distance,
        kind=Kind.GAIN,
        name=f"{distance.name}_approach",
        local=f"{distance.name}_closing",
        code=f"({earlier} - {distance.local}) / {timestep:g}",
        phrase=f"the speed at which {distance.phrase} shrinks",
        typical=TYPICAL_SPEED,
        prior=0.4 * distance.prior,
        steps=(f"{earlier} = {before}", f"{distance.local} = {distance.code}"),
    )
