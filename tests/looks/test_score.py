"""Goal-baseline regularisation against arithmetic done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.looks.score import Goal, unit

GOAL, BASELINE = np.array([0.0, 2.0]), np.array([3.0, 0.0])  # lengths do not matter


@pytest.mark.parametrize(
    ("alpha", "picture", "expected"),
    [
        # alpha = 0: the cosine with the goal.
        (0.0, [0.0, 1.0], 1.0),
        (0.0, [1.0, 0.0], 0.0),
        (0.0, [0.6, 0.8], 0.8),
        (0.0, [0.0, -5.0], -1.0),
        # alpha = 1: L runs through (1, 0) and (0, 1). (0.6, 0.8) lies beside it and falls on
        # (0.4, 0.6), which is (0.4, -0.4) from the goal: 1 - (0.16 + 0.16) / 2.
        (1.0, [0.6, 0.8], 0.84),
        # (1, 0) lies on it: 1 - (1 + 1) / 2.
        (1.0, [1.0, 0.0], 0.0),
        # (-0.6, -0.8) falls on (0.6, 0.4): 1 - (0.36 + 0.36) / 2.
        (1.0, [-0.6, -0.8], 0.64),
        # alpha = 1/2: halfway from (0.4, 0.6) to (0.6, 0.8) is (0.5, 0.7), (0.5, -0.3) from the
        # goal: 1 - (0.25 + 0.09) / 2.
        (0.5, [0.6, 0.8], 0.83),
        (0.5, [6.0, 8.0], 0.83),
    ],
)
def test_by_hand_in_the_plane(alpha, picture, expected):
    goal = Goal.of(GOAL, BASELINE, alpha)
    assert goal.scores(np.array([picture])) == pytest.approx([expected])


def test_by_hand_in_space():
    # g = (0, 0, 1), b = (0, 0.6, 0.8): the line's direction is (0, -3, 1) / sqrt(10). From
    # s = (0.8, 0.6, 0), s - g = (0.8, 0.6, -1); along the line (-1.8 - 1) / sqrt(10), so its
    # part along the line is -0.28 * (0, -3, 1) = (0, 0.84, -0.28), of square 0.784; and halfway
    # to s - g it is (0.4, 0.72, -0.64), of square 1.088.
    for alpha, expected in ((1.0, 1 - 0.784 / 2), (0.5, 1 - 1.088 / 2), (0.0, 0.0)):
        goal = Goal.of(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.6, 0.8]), alpha)
        found = goal.scores(np.array([[0.8, 0.6, 0.0]]))
        assert found == pytest.approx([expected], abs=1e-6)


def test_without_a_baseline_it_is_the_cosine_whatever_alpha_is():
    goal = Goal.of(GOAL, None, 0.9)
    assert goal.scores(np.array([[0.6, 0.8], [4.0, 0.0]])) == pytest.approx([0.8, 0.0])


@given(
    st.lists(st.floats(-1, 1), min_size=12, max_size=12),
    st.floats(0.0, 1.0),
)
def test_it_is_the_formula_of_the_paper(numbers, alpha):
    away = np.array([[3.0, 0, 0], [-3.0, 0, 0], [3.0, 0, 0], [3.0, 0, 0]])
    g, b, *pictures = np.array(numbers).reshape(4, 3) + away
    found = Goal.of(g, b, alpha).scores(np.array(pictures))
    g, b = unit(g), unit(b)
    for picture, score in zip(pictures, found, strict=True):
        s = unit(picture)
        d = (g - b) / np.linalg.norm(g - b)
        projected = b + ((s - b) @ d) * d  # from the line's other end
        distance = np.linalg.norm(alpha * projected + (1 - alpha) * s - g)
        assert score == pytest.approx(1 - distance**2 / 2, abs=1e-5)
        assert score <= 1.0 + 1e-6


def test_what_lies_beside_the_point_moves_nothing_at_alpha_1():
    """Pictures that differ only at right angles to the line of the two sentences."""
    goal = Goal.of(np.array([1.0, 1.0, 0.0]), np.array([1.0, -1.0, 0.0]), 1.0)
    scores = goal.scores(np.array([[0.8, 0.6, 0.0], [0.0, 0.6, 0.8], [-0.8, 0.6, 0.0]]))
    assert scores == pytest.approx([scores[0]] * 3)


@pytest.mark.parametrize("baseline", [GOAL * 2, np.zeros(2), np.array([np.nan, 1.0])])
def test_sentences_that_span_no_line_are_refused(baseline):
    with pytest.raises(ValueError, match="no direction"):
        Goal.of(GOAL, baseline, 0.5)
