"""The judge against a model that looks at the pictures, so that its verdicts come from them."""

import base64
import dataclasses
import hashlib
import json
import logging

import pytest

from reward_synth.errors import BudgetError
from reward_synth.feedback.annotations import Kind, Question
from reward_synth.feedback.judge.asking import Asker
from reward_synth.feedback.judge.judge import Judge
from reward_synth.feedback.judge.settings import JudgeSettings
from reward_synth.propose.llm.replay import ReplayModel
from tests.feedback.judge import eyes
from tests.feedback.judge.conftest import LIFT

LOW, MIDDLE, HIGH = eyes.clip(0.5, 0.1), eyes.clip(0.0, 0.5), eyes.clip(0.2, 0.9)
CLIPS = {"low": LOW, "middle": MIDDLE, "high": HIGH}


def pair(*ids):
    return Question(Kind.PAIR, ids)


@pytest.mark.parametrize("contact_sheet", [False, True])
def test_it_names_what_the_pictures_show_wherever_that_stands(judge, contact_sheet):
    built = judge(contact_sheet=contact_sheet)
    for ids in (("low", "high"), ("high", "low")):
        said = built.answer(pair(*ids), CLIPS)
        assert said.kind is Kind.PAIR
        assert said.answer == ("high",)
        assert said.candidates == ids


def test_swapping_the_pictures_swaps_the_verdict(judge):
    swapped = {"low": HIGH, "high": LOW}
    assert judge().answer(pair("low", "high"), swapped).answer == ("low",)


def test_equal_pictures_are_a_tie(judge):
    clips = {"one": HIGH, "other": eyes.clip(0.7, 0.9)}
    assert judge().answer(pair("one", "other"), clips).answer == ()


def test_one_comparison_is_asked_both_ways_round_with_every_picture(server, judge):
    judge().answer(pair("low", "high"), CLIPS)
    assert len(server.bodies) == 2
    for body, order in zip(server.bodies, ([0.1, 0.9], [0.9, 0.1]), strict=True):
        shown = eyes.pictures(body)
        assert [len(shown[letter]) for letter in "AB"] == [4, 4]
        assert [eyes.height(shown[letter][-1]) for letter in "AB"] == pytest.approx(order, abs=0.05)


def test_a_contact_sheet_is_one_image_a_clip(server, judge):
    judge(contact_sheet=True).answer(pair("low", "high"), CLIPS)
    shown = eyes.pictures(server.bodies[0])
    assert [picture.shape for picture in shown["A"]] == [(2 * 48 + 2, 2 * 64 + 2, 3)]


def test_whoever_prefers_a_place_says_nothing(server, judge):
    server.plays(eyes.says("The first is nice.\nVERDICT: A"))
    said = judge().answer(pair("low", "high"), CLIPS)
    assert said.answer == ()
    assert "other way round" in said.text


def test_votes_are_independent_and_the_most_win(server, judge):
    # Asked alone at first and then one by one: (straight, turned) of each vote.
    verdicts = ["B", "A", "A", "B", "B", "A"]
    server.plays(*(eyes.says(f"reason {i}\nVERDICT: {v}") for i, v in enumerate(verdicts)))
    said = judge(votes=3, concurrency=1).answer(pair("low", "high"), CLIPS)
    assert said.answer == ("high",)
    assert said.text == "2 of 3 votes say so.\n\nreason 0"
    assert len(server.bodies) == 6


def test_an_answer_is_signed(judge):
    clips = {"low": dataclasses.replace(LOW, rollout="gen_00/cand_00/rollout.npz"), "high": HIGH}
    said = judge().answer(pair("low", "high"), clips)
    assert said.who == "eyes"
    assert said.text == "In clip A it ends 0.10 high.\nIn clip B it ends 0.92 high."
    assert [clip.digest for clip in said.shown] == [LOW.digest, HIGH.digest]
    assert said.shown[0].rollout == "gen_00/cand_00/rollout.npz"
    assert len(said.prompt) == 64
    assert (said.when, said.seconds) == (1002.5, 2.5)


def test_the_prompt_is_told_by_what_is_asked_and_shown(judge, tmp_path):
    (tmp_path / "rubric.md").write_text("Arms should not flail.", encoding="utf-8")
    prompts = {
        judge(**settings).answer(pair("low", "high"), clips).prompt
        for settings, clips in (
            ({}, CLIPS),
            ({"facts": False}, CLIPS),
            ({"contact_sheet": True}, CLIPS),
            ({"rubric": str(tmp_path / "rubric.md")}, CLIPS),
            ({}, {**CLIPS, "high": MIDDLE}),
        )
    }
    assert len(prompts) == 5


def test_rubric_and_facts_reach_the_model(server, judge, tmp_path):
    (tmp_path / "rubric.md").write_text("Arms should not flail.", encoding="utf-8")
    clips = {"low": LOW, "high": dataclasses.replace(HIGH, facts=("It fell at 1.3 s.",))}
    judge(rubric=str(tmp_path / "rubric.md")).answer(pair("low", "high"), clips)
    judge(facts=False).answer(pair("low", "high"), clips)
    first, last = eyes.text_of(server.bodies[0]), eyes.text_of(server.bodies[-1])
    assert "Arms should not flail." in first
    assert "It fell at 1.3 s." in first
    assert "Lift the ball as high as you can." in last
    assert "Arms should not flail." not in last
    assert "It fell at 1.3 s." not in last


def test_best_and_worst_of_several(server, judge):
    clips = {**CLIPS, "lowest": eyes.clip(1.0, 0.0), "higher": eyes.clip(0.0, 0.7)}
    ids = ("middle", "high", "lowest", "higher", "low")
    best = judge().answer(Question(Kind.BEST, ids), clips)
    assert (best.kind, best.answer, best.candidates) == (Kind.BEST, ("high",), ids)
    assert len(best.comparisons) == 4
    assert len(server.bodies) == 2 * 4  # n - 1 pairs, each asked both ways round
    worst = judge().answer(Question(Kind.WORST, ("middle", "low", "high")), clips)
    assert worst.answer == ("low",)


def test_no_clip_is_called_better_than_one_it_drew_with(judge):
    clips = {"low": LOW, "one": HIGH, "other": eyes.clip(0.7, 0.9)}
    said = judge().answer(Question(Kind.BEST, ("one", "other", "low")), clips)
    assert said.kind is Kind.SKIP
    assert said.comparisons == ()
    assert "no clip is clearly the best" in said.text


def test_rankings_are_not_asked_of_it(judge):
    with pytest.raises(ValueError, match="gives no ranking"):
        judge().answer(Question(Kind.RANKING, ("low", "high")), CLIPS)


def test_a_rating_is_the_mean_of_its_votes(server, judge):
    assert judge().rate("high", HIGH).value == 0.9
    assert judge().rate("low", LOW).value == 0.1
    server.bodies.clear()
    server.plays(*(eyes.says(f"Well.\nRATING: {n}") for n in (4, 7, 10)))
    said = judge(votes=3, temperature=0.5).rate("low", LOW)
    assert said.value == pytest.approx(0.7)
    assert (said.kind, said.text, said.candidates) == (Kind.RATING, "Well.", ("low",))


def test_a_diagnosis_is_words_about_one_clip(judge):
    said = judge().diagnose("low", LOW)
    assert said.kind is Kind.TEXT
    assert said.candidates == ("low",)
    assert said.text == "The ball ends 0.1 high. It should end higher."


def test_clips_are_rated_and_diagnosed_side_by_side(server, judge):
    built = judge(votes=2)
    rated = built.ratings(CLIPS)
    assert [(said.candidates, said.value) for said in rated] == [
        (("low",), 0.1),
        (("middle",), 0.5),
        (("high",), 0.9),
    ]
    assert len(server.bodies) == 6
    told = built.diagnoses(CLIPS)
    assert [said.text[:19] for said in told] == [f"The ball ends {h} h" for h in (0.1, 0.5, 0.9)]
    assert built.ratings({}) == []


def test_recorded_answers_are_replayed(tmp_path):
    for i, verdict in enumerate("BA"):
        (tmp_path / f"{i:03d}.md").write_text(f"Recorded.\nVERDICT: {verdict}\n", encoding="utf-8")
    asker = Asker(ReplayModel(tmp_path), lambda _: None)
    said = Judge(asker, JudgeSettings(), LIFT).answer(pair("low", "high"), CLIPS)
    assert (said.answer, said.text, said.who) == (("high",), "Recorded.", asker.model.name)


# What it costs, and that nothing is paid for twice.


def test_every_answer_is_reported_with_its_cost(judge):
    heard = []
    built = judge(on_answer=heard.append, dollars_per_million=(1.0, 10.0))
    built.answer(pair("low", "high"), CLIPS)
    assert [(a.prompt_tokens, a.completion_tokens) for a in heard] == [(100 + 8 * 50, 20)] * 2
    assert sum(a.dollars for a in heard) == pytest.approx(2 * (500 + 200) * 1e-6)


def test_nothing_is_asked_twice_and_the_record_is_the_same(server, judge):
    heard = []
    first = judge().answer(pair("low", "high"), CLIPS)
    later = iter((5000.0, 5000.1))
    second = judge(on_answer=heard.append, clock=later.__next__).answer(pair("low", "high"), CLIPS)
    assert len(server.bodies) == 2
    assert [a.new_dollars for a in heard] == [0.0, 0.0]
    assert second.id == first.id  # which a journal has once
    assert second.when != first.when


def test_another_picture_is_another_question(server, judge):
    judge().answer(pair("low", "high"), CLIPS)
    judge().answer(pair("low", "high"), {**CLIPS, "low": eyes.clip(0.5, 0.15)})
    assert len(server.bodies) == 4


def test_a_budget_ends_it_and_what_was_paid_for_is_kept(server, judge):
    left = iter((None, None, None))

    def before_request():
        if next(left, "none") == "none":
            raise BudgetError("the budget of dollars is used up.")

    questions = [pair("low", "high"), pair("middle", "high")]
    with pytest.raises(BudgetError):
        judge(before_request=before_request, concurrency=1).answers(questions, CLIPS)
    asked = len(server.bodies)
    assert asked == 3
    answers = judge().answers(questions, CLIPS)
    assert [said.answer for said in answers] == [("high",), ("high",)]
    assert len(server.bodies) == 4


def test_pictures_are_kept_and_logged_as_hashes_only(server, judge, tmp_path, caplog):
    with caplog.at_level(logging.DEBUG):
        judge().answer(pair("low", "high"), CLIPS)
    some = base64.b64encode(HIGH.frames[-1].jpeg).decode()[200:240]
    assert some in json.dumps(server.bodies)
    assert "openai" in {record.name.split(".")[0] for record in caplog.records}
    assert some not in caplog.text
    kept = sorted((tmp_path / "answers").glob("*.json"))
    assert len(kept) == 2
    for path in kept:
        text = path.read_text(encoding="utf-8")
        assert some not in text
        images = json.loads(text)["messages"][1]["images"]
        digests = {image["sha256"] for image in images}
        assert hashlib.sha256(HIGH.frames[-1].jpeg).hexdigest() in digests
    assert "jpeg=" not in repr(HIGH)
