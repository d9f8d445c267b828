"""Which of several models writes: what it yields for what it takes."""

from dataclasses import replace

import numpy as np
import pytest

from reward_synth.propose.operators import Operator
from reward_synth.records import Rejection, Stage
from reward_synth.search.archive import Archive
from reward_synth.search.config import SearchSettings
from reward_synth.search.strategies.evolve import Evolve
from tests.search.archives import candidate

SETTINGS = SearchSettings(candidates=8, lineages=2)
MODELS = ("cheap", "dear")


def written(model, place, fitness, **more):
    return candidate(0, place, fitness, model=model, operator="structure", **more)


def shares(candidates, models=MODELS, seeds=40):
    """How much of what needs a model each model writes."""
    found = Archive(tuple(candidates), 1, models)
    briefs = [
        brief
        for seed in range(seeds)
        for brief in Evolve().briefs(found, SETTINGS, np.random.default_rng(seed))
        if brief.operator.needs_model
    ]
    return [np.mean([brief.model == k for brief in briefs]) for k in range(len(models))]


def equals(cheap, dear):
    """Two models whose programs are as good; the dictionaries say what they took."""
    return [written(MODELS[i % 2], i, float(i // 2), **(cheap, dear)[i % 2]) for i in range(16)]


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        ({"dollars": 0.001, "tokens": 900}, {"dollars": 0.01, "tokens": 900}),
        ({"tokens": 100}, {"tokens": 1000}),
        ({"tokens": 100}, {"tokens": 1000, "dollars": 0.01}),  # one has no price
    ],
)
def test_a_cheap_model_as_good_as_a_dear_one_writes_more(cheap, dear):
    one, other = shares(equals(cheap, dear))
    assert one > 0.8
    assert one + other == pytest.approx(1.0)


def test_where_nothing_is_known_of_costs_only_what_they_yield_counts():
    one, other = shares(equals({}, {}))
    assert abs(one - other) < 0.2
    better = [written(MODELS[i % 2], i, float(i % 2) + i / 100) for i in range(16)]
    assert shares(better)[1] > 0.8


def test_programs_that_were_never_trained_count_against_their_model():
    good = [written("cheap", i, float(i)) for i in range(8)]
    broken = Rejection(Stage.TRACE, "it divides by zero.")
    bad = [written("dear", 8 + i, None, rejection=broken) for i in range(8)]
    assert shares(good + bad)[0] > 0.6
    assert shares(good + bad[:1])[0] < shares(good + bad)[0]


def test_a_model_that_was_never_asked_is_taken_for_an_average_one():
    only = [written("cheap", i, float(i), dollars=0.01) for i in range(8)]
    assert 0.1 < shares(only)[1] < 0.9


def test_what_needs_no_model_is_nobodys_merit():
    mended = [
        replace(
            c, index=16 + c.index, operator="crossover", model="dear", dollars=9.0, tokens=10**6
        )
        for c in equals({}, {})
    ]
    assert shares(equals({"tokens": 9}, {"tokens": 9}) + mended) == pytest.approx(
        shares(equals({"tokens": 9}, {"tokens": 9}) + [replace(c, model="") for c in mended])
    )


def test_at_first_they_take_turns_in_every_lineage():
    briefs = Evolve().briefs(Archive((), 0, MODELS), SETTINGS, np.random.default_rng(0))
    assert {b.operator for b in briefs} == {Operator.INITIAL}
    places = sorted((b.lineage, b.model) for b in briefs)
    assert places == sorted([(0, 0), (0, 1), (1, 0), (1, 1)] * 5)


def test_one_model_changes_no_decision():
    candidates = tuple(equals({"tokens": 1}, {"tokens": 9}))
    decided = [
        Evolve().briefs(Archive(candidates, 1, models), SETTINGS, np.random.default_rng(3))
        for models in ((), ("cheap",), MODELS)
    ]
    assert decided[0] == decided[1]
    assert [replace(b, model=0) for b in decided[2]] == list(decided[0])
