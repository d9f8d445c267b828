"""Which pair is asked next: new, telling, the same each time; and how many are left."""

import itertools

import numpy as np
import pytest
from test_ranking import VERDICTS, crowd

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.queries import AnswersLeft, answers_left, next_pair, settled
from reward_synth.feedback.ranking import probabilities, rank


def rng(seed=0):
    return np.random.default_rng(seed)


def asked_all(count, who="anna", verdict=Verdict.FIRST, passed=()):
    """Pairs in the order in which they are asked, each answered at once."""
    ids, said, pairs = [f"c{i}" for i in range(count)], [], []
    while (
        pair := next_pair(rank(said, ids), said, who, rng(len(said)), passed=passed)
    ) is not None:
        pairs.append(pair)
        said.append(Comparison(*pair, verdict, who))
    return pairs, said


def test_every_pair_is_asked_once_and_then_nothing():
    pairs, said = asked_all(6)
    assert len(pairs) == 15
    assert len({frozenset(pair) for pair in pairs}) == 15
    ranking = rank(said, [f"c{i}" for i in range(6)])
    assert next_pair(ranking, said, "anna", rng()) is None
    assert next_pair(ranking, said, "ben", rng()) is not None


def test_what_was_skipped_is_not_asked_again():
    pairs, _ = asked_all(4, passed=[("c1", "c0"), ("c2", "c3"), ("c0", "gone")])
    assert len(pairs) == 4
    assert not {frozenset(("c0", "c1")), frozenset(("c2", "c3"))} & {frozenset(p) for p in pairs}


def test_the_same_state_has_the_same_question():
    _, ids, said = crowd(rng(1), 10, 30)
    ranking = rank(said, ids)
    assert next_pair(ranking, said, "anna", rng(5)) == next_pair(ranking, said, "anna", rng(5))
    pairs = {next_pair(ranking, said, "anna", rng(seed)) for seed in range(20)}
    assert len({frozenset(pair) for pair in pairs}) == 1  # what is asked hangs on the answers,
    assert len(pairs) == 2  # and the sides on chance


def test_two_people_begin_in_different_places():
    ranking = rank([], [f"c{i}" for i in range(10)])
    assert len({frozenset(next_pair(ranking, [], "anna", rng(seed))) for seed in range(20)}) > 10


def test_the_hopeless_are_left_alone():
    """a to c are above d to f, of whom less is known among one another: that tells more."""
    said = [Comparison(one, other, Verdict.FIRST, "ben") for one in "abc" for other in "def"] * 3
    said += [Comparison(*two, Verdict.EQUAL, "ben") for two in ("ab", "bc")]
    ranking = rank(said, "abcdef")
    assert set(next_pair(ranking, said, "anna", rng(), elites=3)) <= set("abc")
    assert set(next_pair(ranking, said, "anna", rng(), elites=6)) <= set("def")


def test_who_was_never_shown_may_be_an_elite():
    said = [Comparison("a", other, Verdict.FIRST, "ben") for other in "bcde"] * 3
    said += [Comparison(*two, Verdict.EQUAL, "ben") for two in itertools.combinations("bcde", 2)]
    pair = next_pair(rank(said, [*"abcde", "new"]), said, "anna", rng(), elites=2)
    assert "new" in pair


def test_disagreement_makes_a_pair_worth_asking_about():
    """Three said something of a and b, one of c and d: of those less is known."""
    contested = [Verdict.FIRST, Verdict.SECOND, Verdict.EQUAL]
    for verdicts, expected in ((contested, set("ab")), ([Verdict.EQUAL] * 3, set("cd"))):
        said = [Comparison("a", "b", v, w) for v, w in zip(verdicts, "xyz", strict=True)]
        said.append(Comparison("c", "d", Verdict.EQUAL, "x"))
        others = [
            two
            for two in itertools.combinations("abcd", 2)
            if set(two) not in (set("ab"), set("cd"))
        ]
        pair = next_pair(rank(said, "abcd"), said, "anna", rng(), passed=others)
        assert set(pair) == expected


def test_it_finds_the_best_with_fewer_answers_than_random_pairs():
    regret = {True: [], False: []}
    for seed, chosen in itertools.product(range(15), (True, False)):
        skills = 2.0 * rng(seed).normal(size=12)
        ids, said, chance = [f"c{i}" for i in range(12)], [], rng([seed, 1])
        pairs = [tuple(pair) for pair in chance.permutation(list(itertools.combinations(ids, 2)))]
        for number in range(20):
            pair = next_pair(rank(said, ids), said, "anna", chance) if chosen else pairs[number]
            gap = skills[ids.index(pair[0])] - skills[ids.index(pair[1])]
            chances = np.clip(probabilities(np.array(gap), 0.2), 0.0, 1.0)
            said.append(Comparison(*pair, VERDICTS[chance.choice(3, p=chances)], "anna"))
        regret[chosen].append(skills.max() - skills[rank(said, ids).means.argmax()])
    assert np.mean(regret[True]) < 0.6 * np.mean(regret[False])


def test_settled_is_a_probability_that_answers_raise():
    assert settled(rank([], ["a"])) == 1.0
    assert settled(rank([], "abcd")) < 0.2
    clear = [Comparison("a", other, Verdict.FIRST, who) for other in "bcd" for who in "xyzuvw"]
    assert settled(rank(clear, "abcd")) > 0.9
    alike = [Comparison(*two, Verdict.FIRST, str(i)) for two in ("ab", "ba") for i in range(100)]
    assert settled(rank(alike, "ab")) > 0.9  # nobody will notice which of the two it is


def test_nothing_is_left_to_ask_where_it_is_settled_or_there_is_nobody():
    assert answers_left(rank([], ["a"]), [], "anna", rng()) == AnswersLeft(0, 0, 0, 1.0)
    clear = [Comparison("a", "b", Verdict.FIRST, who) for who in "uvwxyz"]
    assert answers_left(rank(clear, "ab"), clear, "anna", rng()) == AnswersLeft(0, 0, 0, 1.0)


def test_answers_left_come_true():
    """Of as many as were said to settle it do, and after about as many answers."""
    inside, said_settles, did_settle = [], [], []
    for seed in range(12):
        skills, chance = 2.5 * rng(seed).normal(size=7), rng([seed, 1])
        ids, said = [f"c{i}" for i in range(7)], []
        for _ in range(6):
            said.append(answer(next_pair(rank(said, ids), said, "anna", chance), skills, chance))
        left = answers_left(rank(said, ids), said, "anna", rng(seed))
        count = 0
        while settled(rank(said, ids)) < 0.8:
            pair = next_pair(rank(said, ids), said, "anna", chance)
            if pair is None:
                break
            said.append(answer(pair, skills, chance))
            count += 1
        inside.append(left.low <= count <= left.high)
        said_settles.append(left.settles)
        did_settle.append(settled(rank(said, ids)) >= 0.8)
    assert np.mean(inside) >= 0.6
    assert np.mean(said_settles) == pytest.approx(np.mean(did_settle), abs=0.3)


def answer(pair, skills, chance):
    gap = skills[int(pair[0][1:])] - skills[int(pair[1][1:])]
    chances = np.clip(probabilities(np.array(gap), 0.3), 0.0, 1.0)
    return Comparison(*pair, VERDICTS[chance.choice(3, p=chances)], "anna")


def test_fewer_are_left_the_more_has_been_said():
    _, ids, said = crowd(rng(3), 10, 120, 3.0, {"ben": 1.0, "cara": 1.0})
    early, late = (answers_left(rank(s, ids), s, "anna", rng()) for s in (said[:10], said))
    assert late.median < early.median
    assert late.settles >= early.settles
    assert early.low <= early.median <= early.high <= 45
