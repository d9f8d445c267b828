"""ICPL: what is asked, what is told, and that nobody looks at the fitness but the teacher."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reward_synth.feedback.annotations import Annotation, Clip, Kind
from reward_synth.feedback.teachers import Noisy, Oracle, respond
from reward_synth.propose.operators import Manner, Operator
from reward_synth.search.archive import Archive
from reward_synth.search.config import SearchSettings
from reward_synth.search.strategies import STRATEGIES
from reward_synth.search.strategies.icpl import Icpl
from tests.search.archives import archive, candidate

SETTINGS = SearchSettings(strategy="icpl", candidates=6, generations=5)
RNG = np.random.default_rng(0)


def fitness_of(found):
    return {c.id: c.score.fitness for c in found.scored}


def asked(found, likes=None, teacher=None):
    """The archive with all of ICPL's questions answered, generation after generation."""
    likes = fitness_of(found) if likes is None else likes
    said = []
    for generations in range(1, found.generations + 1):
        known = tuple(c for c in found.candidates if c.generation < generations)
        while question := Icpl().question(Archive(known, generations, said=tuple(said))):
            said.append(respond(teacher or Oracle(), question, likes))
    return replace(found, said=tuple(said))


def decided(found):
    return Icpl().briefs(found, SETTINGS, RNG), Icpl().best(found).id, found.said


def test_nothing_is_known_at_first():
    briefs = Icpl().briefs(archive([]), SETTINGS, RNG)
    assert len(set(briefs)) == 1
    assert len(briefs) == 6
    assert briefs[0].operator is Operator.INITIAL
    assert briefs[0].manner is Manner.ICPL
    assert briefs[0].alike
    assert Icpl().best(archive([])) is None
    assert Icpl().question(archive([])) is None


def test_the_good_the_bad_and_what_changed():
    found = asked(archive([[1.0, 3.0, 2.0], [5.0, 4.0, None], [0.5, 0.2, 0.9]]))
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
    brief = Icpl().briefs(asked(archive([[1.0, 3.0]])), SETTINGS, RNG)[0]
    assert math.isnan(brief.parents[0].fitness)
    assert math.isnan(brief.contrast.fitness)
    assert Icpl.blind  # and the reflections are written without it


def test_the_generations_best_are_compared():
    best = Icpl().best
    assert best(asked(archive([[1.0, 3.0], [0.2, 0.3], [2.0, 0.0]]))).id == "g00c01"
    assert best(asked(archive([[1.0, 3.0], [0.2, 4.0], [2.0, 0.0]]))).id == "g01c01"
    assert best(asked(archive([[1.0], [1.0]]))).id == "g00c00"  # of equals, the earlier


def test_a_run_of_the_papers_size_takes_49_comparisons():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((5, 6)).tolist()
    found = asked(archive(rows))
    assert sum(len(said.comparisons) for said in found.said) == 49
    assert [said.kind for said in found.said[:5]] == [
        Kind.BEST, Kind.WORST, Kind.BEST, Kind.WORST, Kind.PAIR,
    ]  # fmt: skip
    assert sum(Icpl().due(asked(archive(rows[:n]))) for n in range(1, 6)) == 49


@pytest.mark.parametrize("fitness", ["nan", "reversed", "equal"])
def test_who_is_asked_decides_and_not_the_score(fitness):
    """With any other scores, or none that are numbers, everything is decided the same."""
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((4, 5))
    sighted = archive(rows.tolist())
    likes = {c.id: rng.standard_normal() for c in sighted.candidates}
    others = {"nan": np.full_like(rows, np.nan), "reversed": -rows, "equal": np.zeros_like(rows)}
    blind = replace(archive(others[fitness].tolist()), by_fitness=False)
    assert decided(asked(blind, likes)) == decided(asked(sighted, likes))
    assert Icpl().best(asked(sighted, likes)).id == max(likes, key=lambda id: likes[id])


def test_generations_without_anything_trained_are_passed_over():
    found = asked(archive([[1.0, 2.0], [None, None]]))
    brief = Icpl().briefs(found, SETTINGS, RNG)[0]
    assert [p.id for p in brief.parents] == ["g00c01"]
    assert brief.differences == ()
    nothing = archive([[None, None]])
    assert Icpl().briefs(nothing, SETTINGS, RNG)[0].operator is Operator.INITIAL
    assert Icpl().best(nothing) is None
    assert Icpl().due(nothing) == 0


def test_where_only_one_was_trained_there_is_no_worst_and_nothing_to_ask():
    found = archive([[None, 1.0, None]])
    assert Icpl().question(found) is None
    assert Icpl().due(found) == 0
    brief = Icpl().briefs(found, SETTINGS, RNG)[0]
    assert [p.id for p in brief.parents] == ["g00c01"]
    assert brief.contrast is None


def test_a_teacher_that_errs_errs_the_same_when_a_run_goes_on():
    rows = np.random.default_rng(3).standard_normal((4, 6)).tolist()
    teacher = Noisy(1.0, seed=5)
    until_now, later = (asked(archive(some), teacher=teacher).said for some in (rows[:3], rows))
    assert later[: len(until_now)] == until_now


def choice(who, kind, ids, *answer):
    return Annotation(who, kind, tuple(Clip(id) for id in ids), answer)


def test_most_decide_and_the_first_where_they_are_even():
    found = archive([[0.0, 0.0, 0.0]])
    ids = ["g00c00", "g00c01", "g00c02"]
    ann = choice("ann", Kind.BEST, ids, "g00c01")
    ben = choice("ben", Kind.BEST, ids[::-1], "g00c02")
    cat = choice("cat", Kind.BEST, ids, "g00c02")

    def named(*said, **more):
        (named,) = set(ids) - set(Icpl().question(replace(found, said=said, **more)).candidates)
        return named

    assert named(ann) == named(ann, ben) == "g00c01"
    assert named(ann, ben, cat) == "g00c02"
    assert named(ann, ben, cat, rank_for="ann") == "g00c01"
    assert Icpl().question(replace(found, said=(ann,), rank_for="ben")).kind is Kind.BEST


def skipping(found, *skipped):
    """The archive with all questions answered by an oracle, but for kinds that are skipped."""
    likes, said = fitness_of(found), []
    while question := Icpl().question(replace(found, said=tuple(said))):
        assert len(said) < 3 * found.generations, "the same is asked again and again"
        if (question.candidates[0][:3], question.kind) in skipped:
            said.append(choice("ann", Kind.SKIP, question.candidates))
        else:
            said.append(respond(Oracle(), question, likes))
    return replace(found, said=tuple(said))


def test_without_a_best_the_generation_before_stays_in_its_place():
    found = skipping(archive([[1.0, 3.0, 2.0], [5.0, 4.0, 9.0]]), ("g01", Kind.BEST))
    assert [said.kind for said in found.said] == [Kind.BEST, Kind.WORST, Kind.SKIP]
    brief = Icpl().briefs(found, SETTINGS, RNG)[0]
    assert [p.id for p in brief.parents] == ["g00c01"]
    assert brief.contrast.id == "g00c00"
    assert Icpl().best(found).id == "g00c01"
    assert Icpl().due(found) == 0


def test_without_a_worst_there_is_no_contrast():
    found = skipping(archive([[1.0, 3.0, 2.0], [5.0, 4.0, 9.0]]), ("g01", Kind.WORST))
    brief = Icpl().briefs(found, SETTINGS, RNG)[0]
    assert [p.id for p in brief.parents] == ["g01c02"]
    assert brief.contrast is None
    assert Icpl().best(found).id == "g01c02"
    assert Icpl().due(found) == 2 + 1  # the best of three, and the pair of bests
    assert sum(len(said.comparisons) for said in found.said[2:]) == 3


def test_whoever_is_never_told_anything_begins_anew_and_ends_with_something():
    found = skipping(archive([[1.0, 3.0], [5.0, 4.0]]), ("g00", Kind.BEST), ("g01", Kind.BEST))
    assert len(found.said) == 2
    assert Icpl().briefs(found, SETTINGS, RNG)[0].operator is Operator.INITIAL
    assert Icpl().best(found).id == "g00c00"
    assert Icpl().best(replace(found, said=())) is None  # nobody was asked yet


def test_an_answer_by_another_outweighs_a_skip():
    found = archive([[0.0, 0.0, 0.0]])
    ids = ["g00c00", "g00c01", "g00c02"]
    said = (choice("ann", Kind.SKIP, ids), choice("ben", Kind.BEST, ids, "g00c02"))
    assert set(Icpl().question(replace(found, said=said)).candidates) == {"g00c00", "g00c01"}


def test_it_can_be_named():
    assert STRATEGIES["icpl"] == Icpl()


def test_blindness_of_all():
    blind = {name for name, strategy in STRATEGIES.items() if strategy.blind}
    assert blind == {"icpl", "text2reward", "text2reward_zero_shot"}


def test_equal_programs_say_so():
    same = {"a": 1.0}
    found = asked(Archive((candidate(0, 0, 1.0, same), candidate(1, 0, 2.0, same)), 2))
    assert Icpl().briefs(found, SETTINGS, RNG)[0].differences == ("nothing changed",)
