"""Agreement among annotators, and with themselves."""

import math

import numpy as np
import pytest

from reward_synth.feedback.annotations import Annotation, Clip, Comparison, Kind, Verdict
from reward_synth.feedback.crowd import accords, concord, concords, consistency, people_of
from reward_synth.feedback.scores import share_interval

LETTERS = {"1": Verdict.FIRST, "2": Verdict.SECOND, "=": Verdict.EQUAL}


def said(**verdicts):
    """A verdict a character, on pairs (a0, b0), (a1, b1), ...; a dot for none."""
    return [
        Comparison(f"a{place}", f"b{place}", LETTERS[letter], who)
        for who, row in verdicts.items()
        for place, letter in enumerate(row)
        if letter != "."
    ]


def test_perfect_agreement_opposition_and_chance():
    same = concord(said(anna="1122=12", ben="1122=12"))
    assert (same.alike, same.alpha, same.pairs) == (1.0, 1.0, 7)
    opposed = concord(said(anna="11221212", ben="22112121"))
    assert opposed.alike == 0.0
    assert opposed.alpha < -0.8
    rng = np.random.default_rng(0)
    coins = {who: "".join(rng.choice(list("12"), 400)) for who in ("anna", "ben")}
    chance = concord(said(**coins))
    assert abs(chance.alpha) < 0.15
    assert chance.low < 0.0 < chance.high


def test_alpha_by_hand():
    """Two agree on three pairs of four.

    Observed: of 8 verdicts, one pair differs by 2: 2 x 4 / 8 = 1. Expected: counted both ways
    round there are 8 of each side; 2 x 8 x 8 x 4 / (16 x 15) = 2.1333.
    """
    found = concord(said(anna="1122", ben="1121"))
    assert found.alike == 0.75
    assert found.alpha == pytest.approx(1 - 1 / (512 / 240))


def test_a_tie_is_a_quarter_of_a_disagreement():
    tie = concord(said(anna="1111", ben="111="))
    turned = concord(said(anna="1111", ben="1112"))
    assert tie.alpha > turned.alpha
    assert tie.alike == turned.alike == 0.75


def test_sides_do_not_matter():
    answers = said(anna="12=1121", ben="1==2122", cara="122112.")
    turned = [Comparison(a.second, a.first, a.verdict.turned, a.who) for a in answers[::2]]
    assert concord([*turned, *answers[1::2]]).alpha == pytest.approx(concord(answers).alpha)


def test_intervals_cover():
    """Annotators who are right three times of four: alpha of very many pairs is the true one."""

    def crowd(rng, pairs):
        true = rng.random(pairs) < 0.5
        return said(
            **{w: "".join("12"[int(x)] for x in true ^ (rng.random(pairs) > 0.75)) for w in "ab"}
        )

    true = concord(crowd(np.random.default_rng(0), 20_000)).alpha
    assert true == pytest.approx(0.25, abs=0.03)
    found = [concord(crowd(np.random.default_rng(seed), 60)) for seed in range(1, 101)]
    assert 0.88 <= np.mean([one.low <= true <= one.high for one in found]) <= 0.99


def test_only_what_several_judged_counts():
    nothing = concord(said(anna="11..", ben="..22"))
    assert nothing.pairs == 0
    assert math.isnan(nothing.alike)
    assert (nothing.low, nothing.high) == (-1.0, 1.0)
    assert math.isnan(concord([]).alpha)
    ties = concord(said(anna="==", ben="=="))
    assert (ties.alike, ties.pairs) == (1.0, 2)
    assert math.isnan(ties.alpha)  # nothing that could differ was ever said


def test_every_two_have_their_agreement():
    found = concords(said(anna="1122", ben="1122", coin="2112", alone="....1"))
    assert set(found) == {("anna", "ben"), ("anna", "coin"), ("ben", "coin")}
    assert found["anna", "ben"].alpha > found["anna", "coin"].alpha


def test_contradictions():
    first = said(anna="112", ben="11")
    again = [
        Comparison("b0", "a0", Verdict.SECOND, "anna"),  # the same, from the other side
        Comparison("a1", "b1", Verdict.SECOND, "anna"),
        Comparison("a2", "b2", Verdict.EQUAL, "anna"),
    ]
    found = consistency([*first, *again])
    assert (found["anna"].repeats, found["anna"].contradictions) == (3, 1.5)
    assert found["anna"].share == 0.5
    assert found["ben"].repeats == 0
    assert math.isnan(found["ben"].share)


def test_of_repeated_answers_the_last_counts():
    answers = [*said(anna="1", ben="2"), *said(anna="2")]
    assert concord(answers).alike == 1.0


def annotated(who, row, prompt=""):
    """The same as annotations; "1" is a choice of a, and b stands on the left in every other."""
    made = []
    for place, letter in enumerate(row):
        ids = (f"a{place}", f"b{place}")
        shown = tuple(Clip(id, f"{id}/rollout.npz") for id in (ids if place % 2 else ids[::-1]))
        answer = {"1": ids[:1], "2": ids[1:], "=": ()}.get(letter)
        if answer is not None:
            made.append(Annotation(who, Kind.PAIR, shown, answer, prompt=prompt))
    return made


def test_a_judge_is_held_against_what_most_people_say():
    said = [
        *annotated("anna", "112=1."),
        *annotated("ben", "1122.."),  # against anna's tie: no verdict has most, so a tie
        *annotated("model", "121==1", prompt="0" * 64),
        *annotated("another", "......", prompt="1" * 64),
    ]
    (found,) = accords(said)
    assert (found.model, found.alike, found.pairs) == ("model", 2, 5)
    assert found.share == 0.4
    assert found.interval == share_interval(2, 5)
    among = concord(people_of(said))
    assert (among.alike, among.pairs) == (0.75, 4)


def test_a_judge_by_itself_agrees_with_nobody():
    assert accords(annotated("model", "1122", prompt="0" * 64)) == ()
    assert accords(annotated("anna", "1122")) == ()
