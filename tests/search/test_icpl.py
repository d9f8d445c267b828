"""ICPL: what is asked, what is told, and that nobody looks at the fitness but the teacher."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from reward_synth.feedback.preferences import Kind, Verdict
from reward_synth.feedback.teachers import Noisy
from reward_synth.propose.operators import Manner, Operator
from reward_synth.search.archive import Archive
from reward_synth.search.config import SearchSettings
from reward_synth.search.strategies import STRATEGIES
from reward_synth.search.strategies.icpl import Icpl
from tests.search.archives import archive, candidate

SETTINGS = SearchSettings(strategy="icpl", candidates=6, generations=5)
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Eyes:
    """A teacher with a liking of its own, that sees no fitness."""

    likes: dict
    asked: list = field(default_factory=list)
    name = "eyes"

    def compare(self, one, other):
        self.asked.append((one.id, other.id))
        mine, others = self.likes[one.id], self.likes[other.id]
        return (
            Verdict.EQUAL if mine == others else Verdict.FIRST if mine > others else Verdict.SECOND
        )


def decided(strategy, found):
    return (
        strategy.briefs(found, SETTINGS, RNG),
        strategy.best(found).id,
        strategy.preferences(found),
    )


def test_nothing_is_known_at_first():
    briefs = Icpl().briefs(archive([]), SETTINGS, RNG)
    assert len(set(briefs)) == 1
    assert len(briefs) == 6
    assert briefs[0].operator is Operator.INITIAL
    assert briefs[0].manner is Manner.ICPL
    assert briefs[0].alike
    assert Icpl().best(archive([])) is None
    assert Icpl().preferences(archive([])) == ()


def test_the_good_the_bad_and_what_changed():
    found = archive([[1.0, 3.0, 2.0], [5.0, 4.0, None], [0.5, 0.2, 0.9]])
    briefs = Icpl().briefs(found, SETTINGS, RNG)
    assert len(set(briefs)) == 1
    brief = briefs[0]
    assert brief.operator is Operator.REVISE
    assert [p.id for p in brief.parents] == ["g02c02"]
    assert brief.contrast.id == "g02c01"
    assert brief.parents[0].reflection == "What g02c02 did."
    assert len(brief.differences) == 2
    assert "weight a went from 1 to 2\nweight b went from 3 to 2\n" in brief.differences[0]
    assert "weight a went from 2 to 3\nweight b went from 2 to 4\n" in brief.differences[1]
    assert brief.elites == ()
    assert brief.failures == ()


def test_no_fitness_is_told():
    brief = Icpl().briefs(archive([[1.0, 3.0]]), SETTINGS, RNG)[0]
    assert math.isnan(brief.parents[0].fitness)
    assert math.isnan(brief.contrast.fitness)
    assert Icpl.blind  # and the reflections are written without it


def test_the_generations_best_are_compared_at_the_end():
    assert Icpl().best(archive([[1.0, 3.0], [0.2, 0.3], [2.0, 0.0]])).id == "g00c01"
    assert Icpl().best(archive([[1.0], [1.0]])).id == "g00c00"


def test_a_run_of_the_papers_size_takes_49_questions():
    rng = np.random.default_rng(1)
    found = archive(rng.standard_normal((5, 6)).tolist())
    teacher = Eyes({c.id: rng.standard_normal() for c in found.candidates})
    preferences = Icpl(teacher).preferences(found)
    assert len(teacher.asked) == 49
    assert all(p.kind is Kind.PAIR for p in preferences)
    # Some are the same question again, which a record is kept of once.
    assert len({frozenset(p.shown) for p in preferences}) == len(preferences) <= 49
    assert {p.shown for p in preferences} == set(teacher.asked)


@pytest.mark.parametrize("fitness", ["nan", "reversed", "equal"])
def test_the_teacher_decides_and_not_the_score(fitness):
    """With any other scores, or none that are numbers, everything is decided the same."""
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((4, 5))
    sighted = archive(rows.tolist())
    likes = {c.id: rng.standard_normal() for c in sighted.candidates}
    others = {"nan": np.full_like(rows, np.nan), "reversed": -rows, "equal": np.zeros_like(rows)}
    strategy = Icpl(Eyes(likes))
    assert decided(strategy, archive(others[fitness].tolist())) == decided(strategy, sighted)
    favourite = max(likes, key=lambda id: likes[id])
    assert strategy.best(sighted).id == favourite


def test_generations_without_anything_trained_are_passed_over():
    found = archive([[1.0, 2.0], [None, None]])
    brief = Icpl().briefs(found, SETTINGS, RNG)[0]
    assert [p.id for p in brief.parents] == ["g00c01"]
    assert brief.differences == ()
    nothing = archive([[None, None]])
    assert Icpl().briefs(nothing, SETTINGS, RNG)[0].operator is Operator.INITIAL
    assert Icpl().best(nothing) is None


def test_where_only_one_was_trained_there_is_no_worst():
    brief = Icpl().briefs(archive([[None, 1.0, None]]), SETTINGS, RNG)[0]
    assert [p.id for p in brief.parents] == ["g00c01"]
    assert brief.contrast is None


def test_a_teacher_that_errs_errs_the_same_when_a_run_goes_on():
    rows = np.random.default_rng(3).standard_normal((4, 6)).tolist()
    strategy = Icpl(Noisy(1.0, seed=5))
    until_now, later = archive(rows[:3]), archive(rows)
    said = strategy.preferences(until_now)
    end = 2  # questions about the generations' best, asked anew when there is one more
    assert strategy.preferences(later)[: len(said) - end] == said[:-end]


def test_what_is_trained_again_changes_no_answer():
    found = archive([[1.0, 1.5, 2.0]])
    again = replace(found.candidates[2].score, fitness=-5.0, trainings=(2.0, -12.0))
    candidates = (*found.candidates[:2], replace(found.candidates[2], score=again))
    assert Icpl().best(Archive(candidates, 1)).id == Icpl().best(found).id == "g00c02"


def test_it_can_be_named():
    assert STRATEGIES["icpl"] == Icpl()


def test_blindness_of_all():
    blind = {name for name, strategy in STRATEGIES.items() if strategy.blind}
    assert blind == {"icpl", "text2reward", "text2reward_zero_shot"}


def test_equal_programs_say_so():
    same = {"a": 1.0}
    found = Archive((candidate(0, 0, 1.0, same), candidate(1, 0, 2.0, same)), 2)
    assert Icpl().briefs(found, SETTINGS, RNG)[0].differences == ("nothing changed",)
