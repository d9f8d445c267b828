"""Every measure that a task's typed fields allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reward_synth.propose.offline.arrival import arrivals
from reward_synth.propose.offline.measures import Kind, Measure, minus
from reward_synth.propose.offline.motion import motions
from reward_synth.propose.offline.pose import poses
from reward_synth.propose.offline.views import LAST_ACTION, View, stem, views_of
from reward_synth.records import CLIP_SCORE, TaskDescription

_CONTRAST = 0.2  # between pictures that look as they should and others, roughly


def measures_of(description: TaskDescription) -> tuple[Measure, ...]:
    """Return all measures of a task, the most fitting first, under unique names."""
    fields = [f for f in description.fields if f.name not in (LAST_ACTION, CLIP_SCORE)]
    views = [view for field in fields for view in views_of(field)]
    found = [
        *(measure for view in views for measure in motions(view, description)),
        *(measure for view in views for measure in poses(view, description)),
        *arrivals(views, description),
        *_looks(description),
        *_costs(views, description),
    ]
    found.sort(key=lambda measure: -measure.prior)
    return tuple(_under_unique_names(found))


def _looks(description: TaskDescription) -> Iterator[Measure]:
    """How much a picture looks as it should, where pictures are scored."""
    for field in description.fields:
        if field.name == CLIP_SCORE:
            # The level is worth something only where it pays for an episode to go on.
            level = 0.0 if description.terminates else field.home[0]
            code, phrase = f"next_state.{CLIP_SCORE}", "how much the picture looks like the goal"
            read = minus(code, level), phrase, _CONTRAST, 0.4, (CLIP_SCORE,)
            yield Measure(None, Kind.SCORE, "looks", "looks", *read)


def _costs(views: Sequence[View], description: TaskDescription) -> Iterator[Measure]:
    """What should stay small whatever the task is, and being alive; priors are chances."""
    size = description.action_size

    def cost(
        name: str, code: str, phrase: str, typical: float, prior: float, *fields: str
    ) -> Measure:
        return Measure(None, Kind.COST, name, name, code, phrase, typical, prior, fields)

    yield cost("effort", "jnp.sum(action**2)", "effort", 0.5 * size, 0.7)
    if any(field.name == LAST_ACTION for field in description.fields):
        change = f"jnp.sum((action - state.{LAST_ACTION}) ** 2)"
        yield cost("smoothness", change, "jerky action", 1.0 * size, 0.25, LAST_ACTION)
    for view in views:
        if view.unit == "rad/s":
            square = f"{view.code()}**2"
            code = square if view.scalar else f"jnp.sum({square})"
            phrase = f"fast {view.title()}"
            yield cost("damping", code, phrase, 10.0 * view.size, 0.12, view.field.name)
    if description.terminates:
        yield Measure(None, Kind.CONSTANT, "alive", "", "", "staying alive", 1.0, 0.75, ())


def _under_unique_names(measures: Sequence[Measure]) -> Iterator[Measure]:
    """Qualify a name by the field's, then by a number, where a more fitting measure has it."""
    names: set[str] = set()
    variables: set[str] = set()
    for measure in measures:
        qualified = [f"{stem(field)}_{measure.name}" for field in measure.fields]
        numbered = (f"{measure.name}_{i}" for i in itertools.count(2))
        choices = itertools.chain([measure.name], qualified, numbered)
        name = next(choice for choice in choices if choice not in names)
        names.add(name)
        local = measure.local
        if local in variables or (local in names and local != name):
            local = f"{name}_value"
        variables.add(local)
        yield replace(measure, name=name, local=local)
