"""Answers read strictly, and several made one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.feedback.annotations import Verdict
from reward_synth.feedback.judge.verdicts import (
    Vote,
    both_ways,
    elected,
    read_diagnosis,
    read_rating,
    read_verdict,
)

A, B, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.EQUAL
verdicts = st.sampled_from([A, B, TIE, None])
votes = st.builds(Vote, verdicts, st.text(max_size=5))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("VERDICT: A", A),
        ("It is better.\n\nVERDICT: B\n", B),
        ("x\n**VERDICT: TIE**", TIE),
        ("x\n**VERDICT:** A", A),
        ("x\n`VERDICT: A`.", A),
        ("VERDICT: A\nVERDICT: B", B),
        ("VERDICT: A and B", None),
        ("VERDICT: AB", None),
        ("I would say VERDICT: A", None),
        ("VERDICT: A\nor not", None),
        ("Verdict: a", None),
        ("VERDICT:", None),
        ("A", None),
        ("", None),
    ],
)
def test_only_a_last_line_of_its_own_is_a_verdict(answer, verdict):
    assert read_verdict(answer) is verdict


@given(st.text())
def test_any_text_can_be_read(text):
    assert read_verdict(f"{text}\nVERDICT: TIE") is TIE
    assert read_rating(f"{text}\nRATING: 3") == 0.3
    for read in (read_verdict, read_rating, read_diagnosis):
        read(text)


@pytest.mark.parametrize(
    ("answer", "rating"),
    [("RATING: 0", 0.0), ("x\n**RATING: 10/10**", 1.0), ("RATING: 7.", 0.7), ("RATING: 7.5", None)]
    + [(f"RATING: {wrong}", None) for wrong in ("11", "-1", "seven", "N", "")],
)
def test_ratings(answer, rating):
    assert read_rating(answer) == rating


def test_the_last_diagnosis_is_taken_whole():
    answer = "DIAGNOSIS: comes below.\n\n**DIAGNOSIS:** The foot drags.\nIt leans back."
    assert read_diagnosis(answer) == "The foot drags. It leans back."
    assert read_diagnosis("My DIAGNOSIS: none") is None
    assert read_diagnosis("x\nDIAGNOSIS:\n") is None


@given(votes, votes)
def test_the_order_of_showing_does_not_matter(straight, turned):
    one, other = both_ways(straight, turned), both_ways(turned, straight)
    assert (one.verdict and one.verdict.turned) == other.verdict


@pytest.mark.parametrize(
    ("straight", "turned", "verdict"),
    [
        (A, B, A),
        (B, A, B),
        (TIE, TIE, TIE),
        (A, A, TIE),
        (B, B, TIE),
        (A, TIE, TIE),
        (None, A, None),
        (B, None, None),
        (None, None, None),
    ],
)
def test_both_ways(straight, turned, verdict):
    assert both_ways(Vote(straight, "s"), Vote(turned, "t")).verdict is verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ([A], A),
        ([A, A, B], A),
        ([A, B], TIE),
        ([A, TIE], TIE),
        ([A, A, TIE, B], A),
        ([A, A, B, B, TIE], TIE),
        ([TIE, TIE, B], TIE),
        ([None, B, None], B),
        ([None, None], None),
    ],
)
def test_elections(said, verdict):
    assert elected([Vote(one, "why") for one in said]).verdict is verdict


@given(st.lists(votes, min_size=1, max_size=7))
def test_an_election_does_not_care_for_order_and_turns_with_its_votes(said):
    assert elected(said).verdict is elected(said[::-1]).verdict
    turned = [Vote(v.verdict and v.verdict.turned, v.words) for v in said]
    result = elected(said).verdict
    assert elected(turned).verdict is (result and result.turned)


def test_a_void_election_says_every_reason_once():
    assert elected([Vote(None, "slow"), Vote(None, "prose"), Vote(None, "slow")]).words == (
        "slow; prose"
    )
