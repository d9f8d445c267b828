"""Ours: several lineages, parents by lower bounds, operators and models by what they yield."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.bandit import Record, thompson
from reward_synth.search.briefing import elites_of, parent_of
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings
from reward_synth.search.setbacks import failures
from reward_synth.search.weights import next_weights

_BREADTH = 2.5  # size of the first generation, against later ones
_NEWCOMERS = 0.5  # share of later generations that is written from nothing
_FORGETS = 0.7  # what a success counts a generation later

# What operators are taken to have shown before they are tried: children that stood out and that
# did not, as in searches for tuning (docs/log.md).
_EXPECTED = {
    Operator.STRUCTURE: Record(1.5, 2.5),
    Operator.PARAMETERS: Record(1.5, 2.5),
    Operator.THOUGHT: Record(1.0, 3.0),
    Operator.CROSSOVER: Record(0.8, 3.2),
    Operator.SIMPLIFY: Record(0.3, 3.7),
}
_WRITTEN = [operator for operator in Operator if operator.needs_model]
_PATIENCE = 2  # generations without a better candidate after which a lineage starts anew


@dataclass(frozen=True, slots=True)
class Evolve:
    """An evolution of lineages that do not mix but by crossover.

    Lineage i of L is that whose number is i modulo L: where one goes stale, its place is taken
    by the number L further on, which starts from nothing.
    """

    blind: ClassVar[bool] = False

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        alive = _alive(archive, settings.lineages)
        if not archive.scored:
            first = _newcomers(archive, alive, round(_BREADTH * settings.candidates))
            return _with_models(archive, first, settings.lineages, rng)
        trained = _trained(archive)
        lineages = {i: _record(archive, _of_lineage(trained, i)) for i in alive}
        operators = {
            op: expected + _record(archive, _by_operator(trained, op))
            for op, expected in _EXPECTED.items()
            if settings.fit_weights or op is not Operator.PARAMETERS
        }
        newcomers = int(_NEWCOMERS * settings.candidates)
        children = [
            _brief(archive, settings, thompson(lineages, rng), thompson(operators, rng), rng)
            for _ in range(settings.candidates - newcomers)
        ]
        briefs = [  # children first: they are what the last of a budget is spent on
            *_with_weights(archive, children, rng),
            *_newcomers(archive, alive, newcomers),
        ]
        return _with_models(archive, briefs, settings.lineages, rng)

    def best(self, archive: Archive) -> Candidate | None:
        """Return the best by cautious estimate; see ``Strategy.best``."""
        return next(iter(archive.leaders), None)


def _newcomers(archive: Archive, lineages: Sequence[int], count: int) -> list[Brief]:
    """Return briefs for programs from nothing, in all lineages in turns.

    Few rewards are far better than the rest, and children are much like their parents: what is
    never sampled is seldom bred (random immigrants; Grefenstette 1992, "Genetic Algorithms for
    Changing Environments").
    """
    told = failures(archive)
    turns = itertools.islice(itertools.cycle(lineages), count)
    return [Brief(Operator.INITIAL, failures=told, lineage=lineage) for lineage in turns]


def _brief(
    archive: Archive,
    settings: SearchSettings,
    lineage: int,
    operator: Operator,
    rng: np.random.Generator,
) -> Brief:
    """Return a brief for a child of a lineage; of its founder if it has none to build on."""
    family = _of_lineage(archive.leaders, lineage)
    if not family:
        return _newcomers(archive, [lineage], 1)[0]
    parent = family[0]
    parents = [parent]
    if operator is Operator.CROSSOVER:
        donors = [c for c in archive.leaders if c.lineage != lineage] or [
            c for c in family if c is not parent
        ]
        parents += donors[: 1 + int(rng.integers(2))][-1:]
    return Brief(
        operator,
        parents=tuple(parent_of(archive, c) for c in parents),
        elites=elites_of(archive, parent, settings.elites),
        failures=failures(archive, parent),
        comment=archive.comment(parent),
        lineage=lineage,
    )


def _with_weights(
    archive: Archive, briefs: Sequence[Brief], rng: np.random.Generator
) -> tuple[Brief, ...]:
    """Fill in the numbers, those for the same parent together, so that they spread.

    Where a parent has no numbers that matter, its structure is changed in their place.
    """
    filled = list(briefs)
    of_parent: dict[str, list[int]] = {}
    for place, brief in enumerate(briefs):
        if brief.operator is Operator.PARAMETERS:
            of_parent.setdefault(brief.parents[0].id, []).append(place)
    for id, places in of_parent.items():
        tables = next_weights(archive, archive[id], len(places), rng)
        for i, place in enumerate(places):
            filled[place] = (
                replace(briefs[place], weights=tables[i])
                if tables
                else replace(briefs[place], operator=Operator.STRUCTURE)
            )
    return tuple(filled)


def _with_models(
    archive: Archive, briefs: Sequence[Brief], lineages: int, rng: np.random.Generator
) -> tuple[Brief, ...]:
    """Say which model writes each program, where there are several.

    At first they take turns, each in every lineage. Then the one that yields more for its price
    writes more, and none is ever given up.
    """
    if len(archive.models) < 2:
        return tuple(briefs)
    records = _model_records(archive)
    known = any(record.successes or record.failures for record in records.values())
    filled = []
    for place, brief in enumerate(briefs):
        if brief.operator.needs_model:
            model = thompson(records, rng) if known else place // lineages % len(records)
            brief = replace(brief, model=model)
        filled.append(brief)
    return tuple(filled)


def _model_records(archive: Archive) -> dict[int, Record]:
    """Return what each model has shown, and what a program of its takes with all repairs.

    Dollars count where every model has a price, else tokens. A program that was turned down
    before it was trained took as much, and is a failure. What is not known yet counts as the
    mean of the others.
    """
    written = [c for c in archive.candidates if c.kind in _WRITTEN]
    own = {
        place: [c for c in written if c.model == name] for place, name in enumerate(archive.models)
    }
    priced = all(any(c.dollars for c in mine) for mine in own.values() if mine)
    costs = {
        place: float(np.mean([c.dollars if priced else c.tokens for c in mine]))
        for place, mine in own.items()
        if mine
    }
    usual = float(np.mean([cost for cost in costs.values() if cost] or [1.0]))
    return {
        place: replace(_record(archive, mine), cost=costs.get(place) or usual)
        for place, mine in own.items()
    }


def _alive(archive: Archive, count: int) -> list[int]:
    """Return the lineages that go on, those that start anew among them."""
    leader = next(iter(archive.leaders), None)
    alive = []
    for slot in range(count):
        numbers = [c.lineage for c in archive.candidates if c.lineage % count == slot]
        newest = max(numbers, default=slot)
        family = _of_lineage(archive.leaders, newest)
        born = min(
            (c.generation for c in archive.candidates if c.lineage == newest),
            default=archive.generations,
        )
        best = family[0].generation if family else born
        stale = archive.generations - 1 - max(best, born) >= _PATIENCE
        leads = leader is not None and leader.lineage == newest
        alive.append(newest + count if stale and not leads else newest)
    return alive


def _record(archive: Archive, candidates: Iterable[Candidate]) -> Record:
    """Count who stands out and who does not, later ones for more."""
    successes = failed = 0.0
    for candidate in candidates:
        counts = _FORGETS ** (archive.generations - 1 - candidate.generation)
        if archive.stands_out(candidate):
            successes += counts
        else:
            failed += counts
    return Record(successes, failed)


def _trained(archive: Archive) -> list[Candidate]:
    return [c for c in archive.candidates if c.score is not None or c.cut]


def _of_lineage(candidates: Iterable[Candidate], lineage: int) -> list[Candidate]:
    return [c for c in candidates if c.lineage == lineage]


def _by_operator(candidates: Sequence[Candidate], operator: Operator) -> list[Candidate]:
    return [c for c in candidates if c.kind == operator]
