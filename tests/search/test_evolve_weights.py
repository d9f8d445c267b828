"""Where the evolution leaves WEIGHTS to arithmetic."""

import numpy as np
import pytest

from reward_synth.propose.operators import Operator
from reward_synth.search.archive import Archive
from reward_synth.search.config import SearchSettings
from reward_synth.search.strategies.evolve import Evolve
from tests.search.archives import candidate

SETTINGS = SearchSettings(candidates=24, lineages=1)


def briefs(weights, seed):
    found = Archive(tuple(candidate(0, i, float(i), weights) for i in range(3)), 1)
    return Evolve().briefs(found, SETTINGS, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
def test_children_of_one_parent_get_weights_that_mirror_each_other(seed):
    tables = [
        dict(brief.weights)
        for brief in briefs({"a": 1.0, "b": 5.0}, seed)
        if brief.operator is Operator.PARAMETERS
    ]
    assert tables
    assert len({tuple(table.values()) for table in tables}) == len(tables)
    for one, other in zip(tables[::2], tables[1::2], strict=False):
        assert one["a"] * other["a"] == pytest.approx(1.0, rel=0.02)
        assert one["b"] * other["b"] == pytest.approx(25.0, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_a_program_whose_weights_only_scale_it_is_changed_otherwise(seed):
    kinds = {brief.operator for brief in briefs({"a": 1.0}, seed)}
    assert Operator.PARAMETERS not in kinds
    assert Operator.STRUCTURE in kinds


def test_nothing_else_gets_weights():
    for brief in briefs({"a": 1.0, "b": 5.0}, 0):
        assert (brief.weights is not None) == (brief.operator is Operator.PARAMETERS)
