"""Synthetic teachers: right, or wrong as often as they should be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.feedback.annotations import Kind, Question, Verdict
from reward_synth.feedback.teachers import (
    Indifferent,
    Mistaken,
    Myopic,
    Noisy,
    Oracle,
    Shown,
    Skipping,
    choose,
    respond,
    threshold,
)

FITNESS = st.floats(-1e6, 1e6)
STEPS = st.lists(st.floats(-10, 10), min_size=5, max_size=5).map(tuple)
ALL_FAULTS = Skipping(Indifferent(Mistaken(Myopic(Noisy(1.0), 0.9), 0.1), 1.0), -20.0)
TEACHERS = [
    *(Oracle(), Noisy(0.01), Noisy(1.0, seed=3), Noisy(0.0), Noisy(math.inf)),
    *(Mistaken(Oracle(), 0.5), Indifferent(Oracle(), 10.0), Skipping(Oracle(), -3.0)),
    *(Myopic(Oracle(), 0.5), ALL_FAULTS),
]


@pytest.mark.parametrize("teacher", TEACHERS, ids=lambda teacher: teacher.name)
@given(a=STEPS, b=STEPS)
def test_the_same_question_has_the_same_answer_from_either_side(teacher, a, b):
    one, other = Shown("one", sum(a), a), Shown("other", sum(b), b)
    verdict = teacher.compare(one, other)
    assert teacher.compare(one, other) is verdict
    assert teacher.compare(other, one) is (verdict and verdict.turned)


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


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_mistakes_are_as_frequent_as_they_should_be(rate):
    pairs = [(Shown(f"a{i}", 1.0), Shown(f"b{i}", 0.0)) for i in range(3000)]
    wrong = [Mistaken(Oracle(), rate).compare(*pair) is Verdict.SECOND for pair in pairs]
    assert np.mean(wrong) == pytest.approx(rate, abs=0.02)


def test_mistakes_fall_elsewhere_than_noise_does():
    """Both with the same seed: of one draw, a mistake would undo an error of the noise."""
    pairs = [(Shown(f"a{i}", 1.0), Shown(f"b{i}", 0.0)) for i in range(3000)]
    noisy = np.array([Noisy(1.0).compare(*pair) is Verdict.FIRST for pair in pairs])
    both = [Mistaken(Noisy(1.0), 0.2).compare(*pair) is Verdict.FIRST for pair in pairs]
    turned = noisy != both
    assert turned[noisy].mean() == pytest.approx(0.2, abs=0.03)
    assert turned[~noisy].mean() == pytest.approx(0.2, abs=0.04)


def test_there_is_nothing_to_turn_in_a_tie_or_a_skip():
    pair = Shown("a", 1.0), Shown("b", 1.0)
    assert Mistaken(Oracle(), 1.0).compare(*pair) is Verdict.EQUAL
    assert Mistaken(Skipping(Oracle(), 2.0), 1.0).compare(*pair) is None


def test_a_myopic_teacher_goes_by_the_end():
    early, late = Shown("early", 10.0, (9.0, 1.0, 0.0)), Shown("late", 3.0, (0.0, 1.0, 2.0))
    assert Myopic(Oracle(), 1.0).compare(early, late) is Verdict.FIRST
    assert Myopic(Oracle(), 0.5).compare(early, late) is Verdict.FIRST  # 2.75 against 2.5
    assert Myopic(Oracle(), 0.4).compare(early, late) is Verdict.SECOND  # 1.84 against 2.4


def test_a_myopic_teacher_discounts_within_the_segment():
    found = []

    class Listening:
        name = "listening"

        def compare(self, one, other):
            found.append((one.fitness, other.fitness))
            return Verdict.EQUAL

    Myopic(Listening(), 0.5).compare(Shown("a", 0.0, (4.0, 2.0, 1.0)), Shown("b", 0.0, (8.0,)))
    assert found == [(4.0 * 0.25 + 2.0 * 0.5 + 1.0, 8.0)]


@pytest.mark.parametrize("shift", [0.0, -100.0])
def test_thresholds_mean_the_same_wherever_fitness_has_its_zero(shift):
    """Returns of 0 to 100, or of -100 to 0, of which B-Pref's teacher skips and equals none."""
    values = shift + np.linspace(0.0, 100.0, 11)
    shown = [Shown(f"c{i}", float(v)) for i, v in enumerate(values)]
    skipping = Skipping(Oracle(), min(values) + threshold(values, 0.5))  # 25 above the worst
    assert skipping.compare(shown[1], shown[2]) is None
    assert skipping.compare(shown[2], shown[3]) is Verdict.SECOND
    indifferent = Indifferent(Oracle(), threshold(values, 0.3))  # 15
    assert indifferent.compare(shown[4], shown[5]) is Verdict.EQUAL
    assert indifferent.compare(shown[4], shown[6]) is Verdict.SECOND


def test_a_threshold_is_b_prefs_where_the_worst_is_nothing():
    assert threshold([0.0, 50.0, 100.0], 0.1) == pytest.approx(5.0)
    with pytest.raises(ValueError, match="no fitness"):
        threshold([], 0.1)


def test_no_two_teachers_sign_alike():
    names = [teacher.name for teacher in TEACHERS]
    assert len(set(names)) == len(names)
    assert ALL_FAULTS.name == (
        "skipping (-20) indifferent (1) mistaken (0.1, 0) myopic (0.9) noisy (1, 0)"
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Mistaken(Oracle(), 1.1), "from 0 to 1"),
        (lambda: Mistaken(Oracle(), math.nan), "from 0 to 1"),
        (lambda: Myopic(Oracle(), 0.0), "above 0 and at most 1"),
        (lambda: Indifferent(Oracle(), -1.0), "no difference is negative"),
        (
            lambda: Myopic(Oracle(), 0.5).compare(Shown("a", 1.0), Shown("b", 1.0)),
            "fitness of each step of a",
        ),
    ],
)
def test_teachers_that_cannot_be(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_choosing_finds_the_first_of_the_best(values):
    shown = [Shown(f"c{i}", float(v)) for i, v in enumerate(values)]
    assert choose(Oracle(), shown) is shown[int(np.argmax(values))]
    assert choose(Oracle(), shown, worst=True) is shown[int(np.argmin(values))]


def test_choosing_among_what_is_skipped():
    shown = [Shown("a", 1.0), Shown("b", 2.0), Shown("c", 9.0)]
    assert choose(Skipping(Oracle(), 5.0), shown) is shown[2]
    assert choose(Skipping(Oracle(), 10.0), shown) is None
    assert choose(Skipping(Oracle(), 10.0), shown[:1]) is shown[0]


def test_there_must_be_something_to_choose_from():
    with pytest.raises(ValueError, match="nothing to choose"):
        choose(Oracle(), [])


SEEN = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 3.0}


@pytest.mark.parametrize(
    ("question", "kind", "answer"),
    [
        (Question(Kind.PAIR, ("a", "b")), Kind.PAIR, ("b",)),
        (Question(Kind.PAIR, ("b", "c")), Kind.PAIR, ("b",)),
        (Question(Kind.PAIR, ("b", "d")), Kind.PAIR, ()),
        (Question(Kind.PAIR, ("a", "c")), Kind.SKIP, ()),
        (Question(Kind.BEST, ("c", "a", "b")), Kind.BEST, ("b",)),
        (Question(Kind.WORST, ("b", "c", "a")), Kind.WORST, ("c",)),  # it skips (c, a)
        (Question(Kind.BEST, ("a", "c")), Kind.SKIP, ()),
    ],
)
def test_a_teacher_responds_as_a_person_does(question, kind, answer):
    teacher = Skipping(Oracle(), 2.5)
    said = respond(teacher, question, SEEN)
    assert (said.who, said.kind, said.answer) == (teacher.name, kind, answer)
    assert said.candidates == question.candidates
    assert respond(teacher, question, SEEN) == said


def test_a_myopic_teacher_is_given_steps():
    question = Question(Kind.PAIR, ("early", "late"))
    steps = {"early": [9.0, 0.0], "late": [0.0, 5.0]}
    fitness = {id: sum(values) for id, values in steps.items()}
    assert respond(Myopic(Oracle(), 0.5), question, fitness, steps).answer == ("late",)
    assert respond(Oracle(), question, fitness, steps).answer == ("early",)
