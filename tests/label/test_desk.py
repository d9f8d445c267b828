"""What is asked, what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reward_synth.errors import FeedbackError
from reward_synth.feedback.annotations import Annotation, Clip, Kind, standing
from reward_synth.label.desk import Desk, named
from reward_synth.search.store import Store
from tests.label.labelled_run import begin, generation, said

ID = "0123456789abcdef"


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run")


def answer(desk, who, name, number=0):
    """Give an answer by its name; return it."""
    given = replace(desk.turn(who).asked.answers(who)[name], id=f"{ID}{who}{number:04d}")
    assert desk.take(given)
    return given


def test_a_question_stays_until_it_is_answered_and_then_another_is_asked(run):
    desk = Desk(run)
    first = desk.turn("Ada").asked
    assert desk.turn("Ada").asked == first == Desk(run).turn("Ada").asked
    answer(desk, "Ada", "0")
    assert {clip.candidate for clip in desk.turn("Ada").asked.clips} != {
        clip.candidate for clip in first.clips
    }


def test_what_was_shown_is_kept_with_its_sides_and_digests(run):
    desk = Desk(run)
    asked = desk.turn("Ada").asked
    answer(desk, "Ada", "1")
    (kept,) = said(run)
    assert kept.shown == asked.clips
    assert kept.answer == (asked.clips[1].candidate,)
    assert kept.when > 0
    assert all(len(clip.digest) == 64 for clip in kept.shown)
    assert kept.shown[0].rollout.endswith("/rollout.npz")


def test_sides_are_drawn(tmp_path):
    desk = Desk(begin(tmp_path / "run", 6))
    lefts = set()
    for number in range(15):
        ids = [clip.candidate for clip in desk.turn("Ada").asked.clips]
        lefts.add(ids[0] == min(ids))
        answer(desk, "Ada", "tie", number)
    assert lefts == {True, False}


def test_everybody_has_a_queue_of_their_own_and_an_end(run):
    desk = Desk(run)
    seen = {"Ada": set(), "Bob": set()}
    for number in range(6):
        for who, pairs in seen.items():
            pairs.add(frozenset(clip.candidate for clip in desk.turn(who).asked.clips))
            answer(desk, who, "0", number)
    assert len(seen["Ada"]) == len(seen["Bob"]) == 6  # each pair of four, once
    assert desk.turn("Ada").asked is None
    assert desk.turn("Cleo").asked is not None
    generation(run, 1, 1)
    assert desk.turn("Ada").asked is not None


def test_skipped_pairs_do_not_come_again(run):
    desk = Desk(run)
    seen = []
    for number in range(6):
        seen.append(frozenset(clip.candidate for clip in desk.turn("Ada").asked.clips))
        answer(desk, "Ada", "skip", number)
    assert len(set(seen)) == 6
    assert desk.turn("Ada").asked is None
    assert desk.turn("Ada").choices == 0


def test_what_comes_next_is_known_ahead(run):
    desk = Desk(run)
    asked, ahead = desk.ahead("Ada")
    assert asked == desk.turn("Ada").asked
    assert set(ahead) == {"0", "1", "tie", "skip"}
    answer(desk, "Ada", "1")
    assert desk.turn("Ada").asked == ahead["1"]


def test_words_about_a_clip_do_not_turn_the_question_round(run):
    desk = Desk(run)
    asked = desk.turn("Ada").asked
    assert desk.take(Annotation("Ada", Kind.TEXT, asked.clips[:1], text="It limps.", id=ID))
    assert desk.turn("Ada").asked == asked
    (words,) = desk.marked("Ada", asked.clips)
    assert words.text == "It limps."
    assert desk.marked("Bob", asked.clips) == []


def test_the_same_id_is_heard_once(run):
    desk = Desk(run)
    given = answer(desk, "Ada", "0")
    assert not desk.take(given)
    assert not desk.take(replace(given, when=5.0))
    assert len(said(run)) == 1


def test_taking_back_is_a_record_and_the_question_is_shown_as_it_was(run):
    desk = Desk(run)
    asked = desk.turn("Ada").asked
    given = answer(desk, "Ada", "0")
    undo = Annotation("Ada", Kind.UNDO, undoes=given.id, id=f"{ID}-undo")
    assert desk.take(undo)
    assert not desk.take(undo)  # sent twice
    assert desk.undone(given) == asked
    assert len(said(run)) == 2
    assert standing(said(run)) == ()
    with pytest.raises(FeedbackError, match="no longer holds"):
        desk.take(replace(undo, id=f"{ID}-again"))


def test_progress_counts_comparisons_of_all_and_choices_of_one(run):
    desk = Desk(run)
    for number, who in enumerate(("Ada", "Bob", "Ada", "Ada")):
        answer(desk, who, "0", number)
    turn = desk.turn("Ada")
    assert (turn.given, turn.wanted, turn.choices) == (4, 5, 3)
    assert turn.waiting
    assert turn.can_stop
    answer(desk, "Bob", "tie", 9)
    assert not desk.turn("Ada").waiting


def test_enough_is_enough(run):
    desk = Desk(run)
    assert desk.take(Annotation("Ada", Kind.ENOUGH, id=ID))
    assert not desk.turn("Ada").waiting
    assert not desk.turn("Ada").can_stop


def test_the_end_of_the_search_is_known(run):
    desk = Desk(run)
    assert not desk.turn("Ada").over
    with Store.open(run) as store:
        store.put("best", "g00c01")
    assert desk.turn("Ada").over


def test_the_best_and_then_the_worst_of_six_come_down_to_pairs(tmp_path):
    desk = Desk(begin(tmp_path / "run", 6, strategy="icpl"))
    assert not desk.turn("Ada").can_stop  # the strategy needs its answers
    asked = desk.turn("Ada").asked
    assert asked.kind is Kind.BEST
    assert len(asked.clips) == 6
    _, ahead = desk.ahead("Ada")
    answer(desk, "Ada", "0")
    then = desk.turn("Ada").asked
    assert then == ahead["0"]
    assert then.kind is Kind.WORST
    assert {clip.candidate for clip in then.clips} == {clip.candidate for clip in asked.clips[1:]}
    answer(desk, "Ada", "4", 1)
    assert [len(one.comparisons) for one in said(desk.folder)] == [5, 4]


def test_a_skipped_question_is_not_asked_again_and_comes_back_as_it_was(tmp_path):
    desk = Desk(begin(tmp_path / "run", 6, strategy="icpl"))
    answer(desk, "Ada", "0")
    assert desk.turn("Ada").asked.kind is Kind.WORST
    answer(desk, "Ada", "skip", 1)
    turn = desk.turn("Ada")
    assert turn.asked is None
    assert not turn.waiting
    assert (turn.wanted, turn.given) == (5, 5)
    assert desk.undone(turn.last).kind is Kind.WORST


def test_whose_answers_do_not_decide_is_asked_once(tmp_path):
    run = begin(tmp_path / "run", 6, strategy="icpl")
    with Store.open(run) as store:
        config = store.get("config")
        config["feedback"]["rank_for"] = "Ada"
        store.put("config", config)
    desk = Desk(run)
    answer(desk, "Bob", "skip")
    assert desk.turn("Bob").asked is None
    answer(desk, "Cat", "0", 1)
    assert desk.turn("Cat").asked is None
    assert desk.turn("Ada").asked.kind is Kind.BEST
    assert desk.turn("Cat").waiting


def test_nothing_is_asked_before_anything_was_trained(tmp_path):
    run = begin(tmp_path / "run", 0)
    assert Desk(run).turn("Ada") is None
    assert Desk(run).ahead("Ada") == (None, {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"who": " Ada"}, "no name"),
        ({"who": "A" * 61}, "printable characters"),
        ({"who": "A\x07"}, "printable characters"),
        ({"shown": (Clip("g07c00"), Clip("g00c01")), "answer": ()}, "no candidate g07c00"),
        (
            {"shown": (Clip("g00c00", "/etc/passwd"), Clip("g00c01")), "answer": ()},
            "/etc/passwd is not of",
        ),
        ({"prompt": "0" * 64}, "by models"),
        ({"text": "a" * 4001}, "too many words"),
        ({"seconds": -1.0}, "-1.0 s"),
        ({"seconds": float("nan")}, "nan s"),
        ({"id": "x"}, "8 to 64"),
    ],
)
def test_what_nobody_can_have_said_is_refused(run, change, words):
    desk = Desk(run)
    given = replace(desk.turn("Ada").asked.answers("Ada")["0"], id=ID)
    with pytest.raises(FeedbackError, match=words):
        desk.take(replace(given, **change))
    assert said(run) == []


def test_a_segment_ends_while_a_video_can_last(run):
    desk = Desk(run)
    clip = desk.turn("Ada").asked.clips[0]
    endless = replace(clip, begin=0.0, end=float("inf"))
    with pytest.raises(FeedbackError, match="until inf s"):
        desk.take(Annotation("Ada", Kind.SEGMENT, (endless,), value=1.0, id=ID))


def test_nobody_takes_back_what_others_said(run):
    desk = Desk(run)
    given = answer(desk, "Ada", "0")
    with pytest.raises(FeedbackError, match="not by you"):
        desk.take(Annotation("Bob", Kind.UNDO, undoes=given.id, id=ID))
    assert len(standing(said(run))) == 1


def test_names_are_on_one_line():
    assert named("  Ada \n Lovelace ") == "Ada Lovelace"
    with pytest.raises(FeedbackError, match="1 to 60"):
        named(" ")
