"""Annotations: what can be said, what it says of pairs, and what holds after second thoughts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.feedback.annotations import (
    Annotation,
    Clip,
    Comparison,
    Kind,
    Verdict,
    comparisons,
    standing,
)

IDS = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=6, unique=True)
CHOICES = [Kind.PAIR, Kind.BEST, Kind.WORST, Kind.RANKING]


def said(kind, shown="", answer="", **more):
    clips = tuple(Clip(id) for id in shown)
    return Annotation("somebody", kind, clips, tuple(answer), **more)


@st.composite
def choices(draw, kinds=CHOICES):
    kind, shown = draw(st.sampled_from(kinds)), draw(IDS)
    if kind is Kind.PAIR:
        shown = shown[:2]
        answer = draw(st.sampled_from([*shown, ""]))
    elif kind is Kind.RANKING:
        answer = draw(st.permutations(shown))
    else:
        answer = draw(st.sampled_from(shown))
    return said(kind, shown, answer, seconds=1.5, when=1.7e9)


OTHERS = [
    said(Kind.RATING, "a", value=0.7),
    said(Kind.SKIP, "ab"),
    said(Kind.TEXT, text="arms should not flail"),
    said(Kind.TEXT, "a", text="this one limps"),
    Annotation(
        "x", Kind.SEGMENT, (Clip("a", "gen_00/cand_00/rollout.npz", 0.5, 1.0, "ab"),), value=-1.0,
        category="flailing",
    ),
    said(Kind.UNDO, undoes="00"),
]  # fmt: skip


@given(st.one_of(choices(), st.sampled_from(OTHERS)))
def test_json_brings_back_the_same(annotation):
    text = json.dumps(annotation.to_json())
    assert Annotation.from_json(json.loads(text)) == annotation


@given(choices([Kind.BEST, Kind.WORST]))
def test_the_named_one_wins_or_loses_against_every_other(annotation):
    found = annotation.comparisons
    assert len(found) == len(annotation.shown) - 1
    for one in found:
        winner = {Verdict.FIRST: one.first, Verdict.SECOND: one.second}.get(one.verdict, "")
        assert {one.first, one.second} <= set(annotation.candidates)
        assert one.who == "somebody"
        if annotation.kind is Kind.WORST:
            assert winner not in annotation.answer
            assert annotation.answer[0] in (one.first, one.second)
        else:
            assert (winner,) == annotation.answer


@given(choices([Kind.PAIR]))
def test_a_pair_shown_the_other_way_round_says_the_same(annotation):
    turned = said(Kind.PAIR, annotation.candidates[::-1], annotation.answer)
    (one,), (other,) = annotation.comparisons, turned.comparisons
    assert other == Comparison(one.second, one.first, one.verdict.turned, "somebody")


@pytest.mark.parametrize("annotation", OTHERS, ids=lambda a: a.kind)
def test_what_chooses_nothing_says_nothing_of_pairs(annotation):
    assert annotation.comparisons == ()


def test_all_in_their_order():
    everything = [
        said(Kind.PAIR, "ab"),
        said(Kind.BEST, "abc", "b"),
        said(Kind.WORST, "ac", "c"),
        said(Kind.RANKING, "abc", "cab"),
    ]
    assert [(c.first, c.second, c.verdict) for c in comparisons(everything)] == [
        ("a", "b", Verdict.EQUAL),
        ("b", "a", Verdict.FIRST),
        ("b", "c", Verdict.FIRST),
        ("c", "a", Verdict.SECOND),
        ("c", "a", Verdict.FIRST),
        ("a", "b", Verdict.FIRST),
    ]


def test_the_same_said_again_has_the_same_id_and_anything_else_another():
    one = said(Kind.PAIR, "ab", "a")
    assert one.id == said(Kind.PAIR, "ab", "a").id
    others = [said(Kind.PAIR, "ba", "a"), said(Kind.PAIR, "ab", "b"), said(Kind.BEST, "ab", "a")]
    assert len({one.id, *(other.id for other in others)}) == 4
    assert said(Kind.PAIR, "ab", "a", id="mine").id == "mine"


def test_second_thoughts():
    one, other = said(Kind.PAIR, "ab", "a"), said(Kind.PAIR, "ab", "b")
    undo = said(Kind.UNDO, undoes=one.id)
    assert standing([one, undo, other]) == (other,)
    assert len(comparisons([one, undo, other])) == 1
    stranger = Annotation("else", Kind.UNDO, undoes=other.id)
    assert standing([other, stranger]) == (other,)  # nobody takes back what another has said


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"kind": Kind.PAIR, "shown": "a", "answer": "a"}, "different"),
        ({"kind": Kind.PAIR, "shown": "abc", "answer": "a"}, "two candidates"),
        ({"kind": Kind.PAIR, "shown": "aa", "answer": "a"}, "different"),
        ({"kind": Kind.PAIR, "shown": "ab", "answer": "c"}, "c is none of a, b"),
        ({"kind": Kind.PAIR, "shown": "ab", "answer": "ab"}, "names one"),
        ({"kind": Kind.BEST, "shown": "ab"}, "names one"),
        ({"kind": Kind.RANKING, "shown": "abc", "answer": "ab"}, "each once"),
        ({"kind": Kind.SKIP, "shown": "ab", "answer": "a"}, "chooses no"),
        ({"kind": Kind.RATING, "shown": "a", "value": 1.1}, "from 0 to 1"),
        ({"kind": Kind.RATING, "shown": "ab", "value": 1.0}, "one clip"),
        ({"kind": Kind.SEGMENT, "shown": "a", "value": 1.0}, "has an end"),
        ({"kind": Kind.PAIR, "shown": "ab", "value": 1.0}, "no value"),
        ({"kind": Kind.TEXT, "text": " "}, "no words"),
        ({"kind": Kind.UNDO}, "takes back"),
        ({"kind": Kind.SKIP, "shown": "ab", "undoes": "x"}, "takes back"),
    ],
)
def test_what_nobody_can_have_said(values, reason):
    with pytest.raises(ValueError, match=reason):
        said(**values)


@pytest.mark.parametrize("data", [{}, {"kind": "pair"}, {"who": "x", "kind": "shout"}])
def test_what_is_no_annotation(data):
    with pytest.raises(ValueError, match=r"."):
        Annotation.from_json(data)
    with pytest.raises(ValueError, match="lasts"):
        Clip("a", begin=2.0, end=1.0)
