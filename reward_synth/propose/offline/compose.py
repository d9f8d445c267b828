"""Composes reward programs from scratch: a main term and what a person would put beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reward_synth.propose.offline.catalogue import Catalogue, Part
from reward_synth.propose.offline.measures import Kind, Measure
from reward_synth.propose.offline.terms import FORMS, SHAPES, Factor, Shape, Term, gates_of
from reward_synth.propose.offline.words import Wish, strength, wants_the_most

# Weight of a kind of main term that the sentence does not ask for, and of one it asks for.
_UNASKED, _ASKED = 0.2, 10.0
_GATED = 0.15  # how often a main term is multiplied by how well the body is held
_MOST_TERMS = 6

# Median weights beside a main term that pays about 1 a step.
_COMPANION, _PENALTY, _ALIVE = 0.5, 0.02, 0.6


def objectives(catalogue: Catalogue) -> tuple[tuple[Factor, ...], np.ndarray]:
    """Return what a main term can be and how probable each choice is."""
    sentence = catalogue.description.sentence
    factors: list[Factor] = []
    chances: list[float] = []
    wishes = {wish: strength(sentence, wish) for wish in Wish}
    if max(value for wish, value in wishes.items() if wish is not Wish.HOLD) == 1.0:
        wishes[Wish.HOLD] *= 0.3  # "and hold it there" says how to do the other thing
    for wish in Wish:
        measures = [m for m in catalogue.measures if m.wish is wish]
        asked = _UNASKED + _ASKED * wishes[wish] ** 2
        for measure, share in zip(measures, _shares(m.prior for m in measures), strict=True):
            shapes = shape_weights(measure, sentence)
            for shape, part in zip(shapes, _shares(shapes.values()), strict=True):
                factors.append(Factor(measure, shape))
                chances.append(asked * share * part)
    if not factors:  # fields of units unknown here: all that is left is to act little
        factors = [Factor(m, Shape.CHARGE) for m in catalogue.measures if m.kind is Kind.COST]
        chances = [1.0] * len(factors)
    return tuple(factors), _shares(chances)


def shape_weights(measure: Measure, sentence: str) -> dict[Shape, float]:
    """Return how often each shape suits a measure; the most of something is not bounded."""
    weights = dict(SHAPES[measure.kind])
    if measure.kind is Kind.GAIN and wants_the_most(sentence):
        weights[Shape.LINEAR] *= 2.0
        weights[Shape.TRACKING] *= 0.3
    return weights


def stratified(chances: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Draw ``count`` indices that spread over the choices as their chances say.

    Systematic resampling: one random offset, evenly spaced points on the cumulative chances
    (Douc & Cappé 2005, "Comparison of Resampling Schemes for Particle Filtering").
    """
    points = (rng.random() + np.arange(count)) / count
    indices = np.searchsorted(np.cumsum(chances), points, side="right")
    return rng.permutation(np.minimum(indices, len(chances) - 1)).tolist()


def compose(catalogue: Catalogue, main: Factor, rng: np.random.Generator) -> tuple[Part, ...]:
    """Return a reward around a main term."""
    first = tuned(main, rng, main_weight(main, rng))
    gates = [g for g in gates_of(catalogue.measures) if _apart(g.measure, [main.measure])]
    if main.pays and gates and rng.random() < _GATED:
        gate = gates[draw([g.measure.prior for g in gates], rng)]
        first = Term(first.factor, first.weight, with_scale(gate, rng))
    terms = [first]
    for measure in _companions(catalogue, terms, rng):
        if len(terms) < _MOST_TERMS:
            terms.append(companion(measure, catalogue, rng))
    return living_pays(terms, catalogue, rng)


def _companions(
    catalogue: Catalogue, terms: Sequence[Term], rng: np.random.Generator
) -> Iterable[Measure]:
    """Draw what else to measure, most important first."""
    description = catalogue.description
    chosen = [term.factor.measure for term in terms]
    risky = 0.2 if description.terminates else 0.0
    for wish in Wish:
        chance = 0.03 + 0.55 * strength(description.sentence, wish)
        if wish in (Wish.ORIENT, Wish.HOLD):
            chance += risky
        if wish is chosen[0].wish and wish is not Wish.ARRIVE:
            chance *= 0.15
        options = [m for m in catalogue.measures if m.wish is wish and _apart(m, chosen)]
        if options and rng.random() < min(chance, 0.9):
            chosen.append(options[draw([m.prior for m in options], rng)])
            yield chosen[-1]
    for measure in catalogue.measures:
        if measure.wish is None and rng.random() < measure.prior:
            yield measure


def _apart(measure: Measure, chosen: Sequence[Measure]) -> bool:
    """Whether a measure reads something that none of the chosen reads, under another name."""
    return all(
        measure.name != other.name and set(measure.fields) != set(other.fields) for other in chosen
    )


def companion(measure: Measure, catalogue: Catalogue, rng: np.random.Generator) -> Term:
    """Return a measure as a term beside a main one."""
    if measure.kind is Kind.CONSTANT:
        return Term(Factor(measure, Shape.CONSTANT), varied(_ALIVE, 0.6, rng))
    if measure.kind is Kind.COST:
        weight = varied(_PENALTY / measure.typical, 1.0, rng)
        return Term(Factor(measure, Shape.CHARGE), weight)
    shapes = shape_weights(measure, catalogue.description.sentence)
    factor = Factor(measure, list(shapes)[draw(shapes.values(), rng)])
    return tuned(factor, rng, _COMPANION * main_weight(factor, rng))


def living_pays(
    parts: Sequence[Part], catalogue: Catalogue, rng: np.random.Generator
) -> tuple[Part, ...]:
    """Add a bonus for being alive where a policy would gain by ending its episode early.

    Programs with terms that are known only as code are left as they are.
    """
    alive = [m for m in catalogue.measures if m.kind is Kind.CONSTANT]
    terms = [part for part in parts if isinstance(part, Term)]
    known = len(terms) == len(parts)
    if not alive or not known or any(t.factor.measure in alive for t in terms):
        return tuple(parts)
    lost = sum(t.weight * t.factor.measure.typical for t in dear(parts))
    if not lost:
        return tuple(parts)
    return (*parts, Term(Factor(alive[0], Shape.CONSTANT), varied(2.0 * lost, 0.3, rng)))


def dear(parts: Sequence[Part]) -> tuple[Term, ...]:
    """Return the terms that can make a step cost much."""
    terms = (part for part in parts if isinstance(part, Term))
    return tuple(t for t in terms if t.penalty and t.factor.measure.kind is not Kind.COST)


def tuned(factor: Factor, rng: np.random.Generator, weight: float) -> Term:
    """Return a factor as a term with a parameter drawn for it."""
    return Term(with_scale(factor, rng), weight)


def with_scale(factor: Factor, rng: np.random.Generator) -> Factor:
    """Draw the shape's parameter around what suits the measure's typical size."""
    form = FORMS[factor.shape]
    if not form.parameter:
        return factor
    typical = form.start * factor.measure.typical**form.power
    return Factor(factor.measure, factor.shape, varied(typical, 0.5, rng))


def main_weight(factor: Factor, rng: np.random.Generator) -> float:
    """Draw a weight with which a factor pays about 1 a step."""
    size = factor.measure.typical
    unbounded = {
        Shape.LINEAR: 1.0,
        Shape.CAPPED: 1.0,
        Shape.DISTANCE: 1.0,
        Shape.SQUARE: 2.0,
    }.get(factor.shape, 0.0)
    return varied(size**-unbounded, 0.4, rng)


def varied(value: float, spread: float, rng: np.random.Generator) -> float:
    """Draw from a log-normal around a value, rounded to two significant digits."""
    return float(f"{value * np.exp(spread * rng.standard_normal()):.2g}")


def draw(weights: Iterable[float], rng: np.random.Generator) -> int:
    """Draw an index with chances in proportion to weights."""
    shares = _shares(weights)
    return int(rng.choice(len(shares), p=shares))


def _shares(weights: Iterable[float]) -> np.ndarray:
    array = np.array(list(weights), float)
    return array / array.sum() if array.size else array
