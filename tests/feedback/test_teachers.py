"""Synthetic teachers: right, or wrong as often as they should be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.feedback.annotations import Kind, Question, Verdict
from reward_synth.feedback.teachers import Noisy, Oracle, Shown, choose, respond

FITNESS = st.floats(-1e6, 1e6)
TEACHERS = [Oracle(), Noisy(0.01), Noisy(1.0, seed=3), Noisy(0.0), Noisy(math.inf)]


@pytest.mark.parametrize("teacher", TEACHERS, ids=lambda teacher: teacher.name)
@given(a=FITNESS, b=FITNESS)
def test_the_same_question_has_the_same_answer_from_either_side(teacher, a, b):
    one, other = Shown("one", a), Shown("other", b)
    verdict = teacher.compare(one, other)
    assert teacher.compare(one, other) is verdict
    assert teacher.compare(other, one) is verdict.turned


@given(a=FITNESS, b=FITNESS)
def test_the_oracle_is_never_wrong(a, b):
    verdict = Oracle().compare(Shown("a", a), Shown("b", b))
    assert (verdict is Verdict.FIRST) == (a > b)
    assert (verdict is Verdict.EQUAL) == (a == b)
    if a != b:
        assert Noisy(math.inf).compare(Shown("a", a), Shown("b", b)) is verdict


@pytest.mark.parametrize("gap", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("flip", [False, True])
def test_errors_are_as_frequent_as_bradley_and_terry_say(gap, flip):
    pairs = [(Shown(f"a{i}", gap), Shown(f"b{i}", 0.0)) for i in range(3000)]
    teacher = Noisy(1.5)
    right = [
        teacher.compare(b, a) is Verdict.SECOND if flip else teacher.compare(a, b) is Verdict.FIRST
        for a, b in pairs
    ]
    assert np.mean(right) == pytest.approx(1 / (1 + math.exp(-1.5 * gap)), abs=0.03)


def test_seeds_err_elsewhere():
    pairs = [(Shown(f"a{i}", 0.0), Shown(f"b{i}", 0.0)) for i in range(200)]
    answers = [[Noisy(1.0, seed).compare(*pair) for pair in pairs] for seed in (0, 1)]
    agreed = np.mean([one is other for one, other in zip(*answers, strict=True)])
    assert 0.35 < agreed < 0.65


def test_answers_are_the_same_on_every_machine():
    """Pinned: a run that is continued elsewhere hears the same."""
    answers = [Noisy(1.0, 7).compare(Shown(f"a{i}", 0.0), Shown("b", 0.0)) for i in range(12)]
    assert "".join(answer[0] for answer in answers) == "sssssffffssf"


@pytest.mark.parametrize("rationality", [-1.0, math.nan])
def test_a_rationality_below_zero_is_none(rationality):
    with pytest.raises(ValueError, match="must not be negative"):
        Noisy(rationality)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_choosing_takes_one_comparison_for_every_other(values):
    shown = [Shown(f"c{i}", float(v)) for i, v in enumerate(values)]
    assert choose(Oracle(), shown).id == f"c{int(np.argmax(values))}"  # the first of equals
    assert choose(Oracle(), shown, worst=True).id == f"c{int(np.argmin(values))}"


def test_there_must_be_something_to_choose_from():
    with pytest.raises(ValueError, match="nothing to choose"):
        choose(Oracle(), [])


@pytest.mark.parametrize(
    ("kind", "ids", "answer"),
    [
        (Kind.PAIR, "ab", ""),
        (Kind.PAIR, "ac", "c"),
        (Kind.PAIR, "ca", "c"),
        (Kind.BEST, "abcd", "c"),
        (Kind.WORST, "abcd", "d"),
    ],
)
def test_a_teacher_answers_as_a_person_would(kind, ids, answer):
    fitness = {"a": 1.0, "b": 1.0, "c": 2.0, "d": 0.0}
    said = respond(Oracle(), Question(kind, tuple(ids)), fitness)
    assert said.who == "oracle"
    assert said.candidates == tuple(ids)
    assert "".join(said.answer) == answer
    assert said.id == respond(Oracle(), Question(kind, tuple(ids)), fitness).id
