"""Preferences: what can be answered, and what answers say of pairs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.feedback.preferences import (
    Comparison,
    Kind,
    Preference,
    Verdict,
    comparisons,
)

IDS = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=6, unique=True).map(tuple)


@st.composite
def preferences(draw):
    kind = draw(st.sampled_from(Kind))
    shown = draw(IDS)[:2] if kind is Kind.PAIR else draw(IDS)
    answers = [*shown, ""] if kind is Kind.PAIR else shown
    return Preference("somebody", kind, shown, draw(st.sampled_from(answers)), 1.7e9)


@given(preferences())
def test_json_brings_back_the_same(preference):
    text = json.dumps(preference.to_json())
    assert Preference.from_json(json.loads(text)) == preference


@given(preferences())
def test_the_named_one_wins_or_loses_against_every_other(preference):
    found = preference.comparisons
    assert len(found) == len(preference.shown) - 1
    for one in found:
        winner = {Verdict.FIRST: one.first, Verdict.SECOND: one.second}.get(one.verdict, "")
        assert {one.first, one.second} <= set(preference.shown)
        if preference.kind is Kind.WORST:
            assert winner != preference.answer
            assert preference.answer in (one.first, one.second)
        else:
            assert winner == preference.answer


@given(preferences().filter(lambda p: p.kind is Kind.PAIR))
def test_a_pair_shown_the_other_way_round_says_the_same(preference):
    turned = Preference("x", Kind.PAIR, preference.shown[::-1], preference.answer)
    (one,), (other,) = preference.comparisons, turned.comparisons
    assert other == Comparison(one.second, one.first, one.verdict.turned)


def test_all_in_their_order():
    said = [
        Preference("x", Kind.PAIR, ("a", "b"), ""),
        Preference("x", Kind.BEST, ("a", "b", "c"), "b"),
        Preference("x", Kind.WORST, ("a", "c"), "c"),
    ]
    assert comparisons(said) == (
        Comparison("a", "b", Verdict.EQUAL),
        Comparison("b", "a", Verdict.FIRST),
        Comparison("b", "c", Verdict.FIRST),
        Comparison("c", "a", Verdict.SECOND),
    )


@pytest.mark.parametrize(
    ("kind", "shown", "answer"),
    [
        (Kind.PAIR, ("a",), "a"),
        (Kind.PAIR, ("a", "b", "c"), "a"),
        (Kind.PAIR, ("a", "a"), "a"),
        (Kind.PAIR, ("a", "b"), "c"),
        (Kind.BEST, ("a", "b"), ""),
        (Kind.WORST, (), ""),
    ],
)
def test_what_nobody_can_have_answered(kind, shown, answer):
    with pytest.raises(ValueError, match=r"."):
        Preference("x", kind, shown, answer)
