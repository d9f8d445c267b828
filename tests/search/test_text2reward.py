"""Text2Reward: a chain in which no number decides anything."""

import math

import numpy as np
import pytest

from reward_synth.propose.operators import Manner, Operator
from reward_synth.search.config import SearchSettings
from reward_synth.search.strategies import STRATEGIES
from reward_synth.search.strategies.text2reward import Text2Reward
from tests.search.archives import archive

SETTINGS = SearchSettings(strategy="text2reward", candidates=1, generations=5)
RNG = np.random.default_rng(0)
FEW_SHOT, ZERO_SHOT = STRATEGIES["text2reward"], STRATEGIES["text2reward_zero_shot"]


@pytest.mark.parametrize(("strategy", "shots"), [(FEW_SHOT, 1), (ZERO_SHOT, 0)])
def test_the_first_program_comes_from_the_task_and_similar_ones(strategy, shots):
    (brief,) = strategy.briefs(archive([]), SETTINGS, RNG)
    assert brief.operator is Operator.INITIAL
    assert brief.manner is Manner.TEXT2REWARD
    assert brief.shots == shots
    assert brief.parents == ()
    assert strategy.best(archive([])) is None


def test_each_round_mends_the_last_program_whatever_it_is_worth():
    found = archive([[9.0], [1.0]])
    (brief,) = FEW_SHOT.briefs(found, SETTINGS, RNG)
    assert brief.operator is Operator.REVISE
    (parent,) = brief.parents
    assert parent.id == "g01c00"
    assert parent.reflection == "What g01c00 did."
    assert math.isnan(parent.fitness)
    assert (brief.contrast, brief.elites, brief.failures) == (None, (), ())
    assert FEW_SHOT.best(found).id == "g01c00"


def test_a_round_that_failed_is_taken_up_again_from_before():
    found = archive([[2.0], [None]])
    assert FEW_SHOT.briefs(found, SETTINGS, RNG)[0].parents[0].id == "g00c00"
    assert FEW_SHOT.best(found).id == "g00c00"
    nothing = archive([[None], [None]])
    assert FEW_SHOT.briefs(nothing, SETTINGS, RNG)[0].operator is Operator.INITIAL


@pytest.mark.parametrize("other", [math.nan, 0.0, -7.0])
def test_no_score_decides(other):
    sighted, blind = archive([[3.0], [1.0], [2.0]]), archive([[other]] * 3)
    for strategy in (FEW_SHOT, Text2Reward(shots=3)):
        assert strategy.best(blind).id == strategy.best(sighted).id
        one, another = (strategy.briefs(a, SETTINGS, RNG)[0] for a in (blind, sighted))
        assert [p.id for p in one.parents] == [p.id for p in another.parents]
        assert one.operator is another.operator
    assert Text2Reward.blind


def test_several_a_round_are_all_asked_alike():
    found = archive([[1.0, 2.0]])
    briefs = FEW_SHOT.briefs(found, SearchSettings(candidates=3), RNG)
    assert len(briefs) == 3
    assert len({brief.parents[0].id for brief in briefs}) == 1
