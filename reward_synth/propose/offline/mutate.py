"""Operators that make a new reward program from programs that were trained.

Numbers, terms and shapes change one at a time, so that what training shows can be
put down to the change; crossover moves a named term, as in R* (Li et al. 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from reward_synth.propose.offline.catalogue import Catalogue, Part
from reward_synth.propose.offline.compose import (
    companion,
    dear,
    draw,
    shape_weights,
    varied,
    with_scale,
)
from reward_synth.propose.offline.pieces import Piece
from reward_synth.propose.offline.terms import SHAPES, Factor, Shape, Term, gates_of
from reward_synth.propose.offline.words import Wish, strength
from reward_synth.propose.operators import Operator


class Change(StrEnum):
    """What is done to a program."""

    WEIGHTS = "weights"
    ADD = "add"
    DROP = "drop"
    RESHAPE = "reshape"
    GATE = "gate"
    CROSSOVER = "crossover"
    FRESH = "fresh"


# What each operator may do, and how often it does each.
CHANGES: dict[Operator, dict[Change, float]] = {
    Operator.INITIAL: {Change.FRESH: 1.0},
    Operator.REVISE: {
        Change.WEIGHTS: 0.25,
        Change.ADD: 0.15,
        Change.DROP: 0.10,
        Change.RESHAPE: 0.15,
        Change.GATE: 0.10,
        Change.CROSSOVER: 0.15,
        Change.FRESH: 0.10,
    },
    Operator.STRUCTURE: {Change.ADD: 0.4, Change.RESHAPE: 0.3, Change.GATE: 0.3},
    Operator.CROSSOVER: {Change.CROSSOVER: 1.0},
    Operator.PARAMETERS: {Change.WEIGHTS: 1.0},
    Operator.THOUGHT: {Change.FRESH: 1.0},
    Operator.SIMPLIFY: {Change.DROP: 1.0},
}

_SPREAD = 0.7  # standard deviation of the logarithm of a change of a number
_MAIN_DROPPED = 0.1  # how often the first term is dropped, relative to each other
_FAMILIAR = 0.3  # how often a new term is about a field that is rewarded already


@dataclass(frozen=True, slots=True)
class Offspring:
    """A changed program.

    Attributes:
      parts: its terms.
      what: what was done, for its docstring.
    """

    parts: tuple[Part, ...]
    what: str


def reweigh(parts: Sequence[Part], rng: np.random.Generator) -> Offspring | None:
    """Multiply one or two numbers by log-normal factors.

    None if there are fewer than two: PPO scales rewards, so one weight alone means nothing.
    """
    numbers = dict(entry for part in parts for entry in _piece(part).weights)
    names = [name for name, value in numbers.items() if value != 0.0]
    if len(names) < 2:
        return None
    count = int(rng.integers(1, 3))
    chosen = [names[i] for i in sorted(rng.choice(len(names), count, replace=False))]
    changed = {name: varied(numbers[name], _SPREAD, rng) for name in chosen}
    said = " and ".join(f"{name} from {numbers[name]:g} to {changed[name]:g}" for name in chosen)
    return Offspring(tuple(_with(part, changed) for part in parts), said)


def add(parts: Sequence[Part], catalogue: Catalogue, rng: np.random.Generator) -> Offspring | None:
    """Add a term under a new name; None if all are taken."""
    taken = {part.name for part in parts}
    read = {field for part in parts if isinstance(part, Term) for field in part.fields}
    options = [measure for measure in catalogue.measures if measure.name not in taken]
    if not options:
        return None
    chances = []
    for measure in options:
        among = sum(m.prior for m in options if m.wish is measure.wish)
        wanted = 1.0 if measure.wish is None else _wanted(catalogue, measure.wish)
        familiar = _FAMILIAR if read & set(measure.fields) else 1.0
        chances.append(wanted * familiar * measure.prior / among)
    term = companion(options[draw(chances, rng)], catalogue, rng)
    return Offspring((*parts, term), f"adds {term.name}: {term.sentence()}")


def drop(parts: Sequence[Part], rng: np.random.Generator) -> Offspring | None:
    """Leave out a term, seldom the first; None if there is none to be spared."""
    chances = [_MAIN_DROPPED] + [1.0] * (len(parts) - 1)
    for i, part in enumerate(parts):
        if isinstance(part, Term) and part.factor.shape is Shape.CONSTANT and dear(parts):
            chances[i] = 0.0  # without it, ending early would pay
    if len(parts) == 1 or not any(chances):
        return None
    gone = draw(chances, rng)
    rest = tuple(part for i, part in enumerate(parts) if i != gone)
    return Offspring(rest, f"drops {parts[gone].name}")


def reshape(
    parts: Sequence[Part], catalogue: Catalogue, rng: np.random.Generator
) -> Offspring | None:
    """Give a term another shape, or bound it if it is known only as code.

    None if no term can be given another shape.
    """
    options = [
        i
        for i, part in enumerate(parts)
        if isinstance(part, Piece) or len(SHAPES[part.factor.measure.kind]) > 1
    ]
    if not options:
        return None
    place = options[int(rng.integers(len(options)))]
    old = parts[place]
    new = _bounded(old) if isinstance(old, Piece) else _reshaped(old, catalogue, rng)
    return Offspring(_replaced(parts, place, new), f"reshapes {new.name}")


def gate(parts: Sequence[Part], catalogue: Catalogue, rng: np.random.Generator) -> Offspring | None:
    """Multiply a paying term by how well the body is held, or by something else than before.

    None if there is no such term, or nothing to multiply it by.
    """
    options = [
        i
        for i, part in enumerate(parts)
        if isinstance(part, Term)
        and part.factor.pays
        and part.factor.measure.wish not in (None, Wish.ORIENT, Wish.HOLD)
    ]
    if not options:
        return None
    place = options[int(rng.integers(len(options)))]
    old = parts[place]
    assert isinstance(old, Term)
    taken = {old.name, old.gate.measure.name if old.gate else ""}
    gates = [g for g in gates_of(catalogue.measures) if g.measure.name not in taken]
    if not gates:
        return None
    chosen = with_scale(gates[draw([g.measure.prior for g in gates], rng)], rng)
    what = f"multiplies {old.name} by {chosen.measure.name}"
    return Offspring(_replaced(parts, place, replace(old, gate=chosen)), what)


def crossover(
    parts: Sequence[Part], donor: Sequence[Part], donor_id: str, rng: np.random.Generator
) -> Offspring | None:
    """Take over a term, in place of the one of its name; None if the donor has nothing new."""
    options = [part for part in donor if part not in parts]
    if not options:
        return None
    gift = options[int(rng.integers(len(options)))]
    place = next((i for i, part in enumerate(parts) if part.name == gift.name), len(parts))
    return Offspring(_replaced(parts, place, gift), f"takes {gift.name} from {donor_id}")


def _replaced(parts: Sequence[Part], place: int, new: Part) -> tuple[Part, ...]:
    return (*parts[:place], new, *parts[place + 1 :])


def _wanted(catalogue: Catalogue, wish: Wish) -> float:
    return 0.3 + 2.0 * strength(catalogue.description.sentence, wish)


def _reshaped(term: Term, catalogue: Catalogue, rng: np.random.Generator) -> Term:
    measure = term.factor.measure
    shapes = shape_weights(measure, catalogue.description.sentence)
    del shapes[term.factor.shape]
    factor = Factor(measure, list(shapes)[draw(shapes.values(), rng)])
    return Term(with_scale(factor, rng), term.weight, term.gate if factor.pays else None)


def _bounded(piece: Piece) -> Piece:
    """Let a term saturate at one, whatever it is made of."""
    return replace(piece, value=f"jnp.tanh({piece.value})")


def _piece(part: Part) -> Piece:
    return part if isinstance(part, Piece) else part.piece()


def _with(part: Part, numbers: dict[str, float]) -> Part:
    """Return a part with those numbers of WEIGHTS changed that it reads."""
    if isinstance(part, Piece):
        weights = tuple((name, numbers.get(name, value)) for name, value in part.weights)
        return replace(part, weights=weights)

    def scaled(factor: Factor) -> Factor:
        return replace(factor, scale=numbers.get(factor.parameter, factor.scale))

    gate = part.gate and scaled(part.gate)
    return Term(scaled(part.factor), numbers.get(part.name, part.weight), gate)
