"""Models that answer badly, slowly or not at all: nothing is lost, and a run can go on."""

import socket

import pytest

from reward_synth.errors import ModelError
from reward_synth.feedback.annotations import Kind, Question
from reward_synth.feedback.journal import Journal
from tests.feedback.judge import eyes

LOW, HIGH = eyes.clip(0.5, 0.1), eyes.clip(0.2, 0.9)
CLIPS = {"low": LOW, "high": HIGH}
QUESTION = Question(Kind.PAIR, ("low", "high"))


def skipped(said):
    """Why a question was not answered."""
    assert said.kind is Kind.SKIP
    assert said.candidates == ("low", "high")
    assert said.comparisons == ()
    return said.text


def message_of(judge):
    with pytest.raises(ModelError) as info:
        judge.answer(QUESTION, CLIPS)
    message = str(info.value)
    assert "\n" not in message
    assert "llm." not in message
    return message


@pytest.fixture
def working(judge, server):
    """A judge that has answered a question, and asks the server anew for all others."""

    def build(*replies, **settings):
        built = judge(**settings)
        built.rate("low", LOW)
        server.bodies.clear()
        server.plays(*replies)
        return built

    return build


# Prose in the place of a verdict.


def test_prose_is_asked_again_once_with_the_format(server, judge):
    prose, verdict = eyes.says("Both are fine, but the second is higher."), eyes.says("VERDICT: B")
    turned = eyes.says("It is higher.\nVERDICT: A")
    server.plays(prose, turned, verdict)
    said = judge(concurrency=1).answer(QUESTION, CLIPS)
    assert said.answer == ("high",)
    assert said.text == "Both are fine, but the second is higher."
    assert len(server.bodies) == 3
    *before, answer, reminder = server.bodies[2]["messages"]
    assert before == server.bodies[0]["messages"]  # the pictures included
    assert answer == {"role": "assistant", "content": "Both are fine, but the second is higher."}
    assert "VERDICT: TIE" in reminder["content"]


@pytest.mark.parametrize(
    "text",
    [
        "Both are fine.",
        "I'm sorry, but I can't help with that.",
        "VERDICT: A would be rash.",
        "VERDICT: A\nOn second thoughts I am not so sure.",
        "VERDICT: C",
        "verdict: neither",
    ],
)
def test_prose_twice_is_a_void_vote_and_no_verdict_is_invented(server, judge, text):
    server.plays(eyes.says(text))
    assert skipped(judge().answer(QUESTION, CLIPS)) == (
        "it answered twice without the line that was asked for."
    )
    assert len(server.bodies) == 4


def test_a_void_vote_does_not_void_the_others(server, judge):
    right = [eyes.says("VERDICT: B"), eyes.says("VERDICT: A")]
    prose = [eyes.says("Fine.")] * 2
    server.plays(*right, *prose, *right, eyes.says("Fine."))
    said = judge(votes=3, concurrency=1).answer(QUESTION, CLIPS)
    assert said.answer == ("high",)
    assert said.text.startswith("2 of 3 votes say so.")


def test_half_a_vote_is_none(server, judge):
    server.plays(eyes.says("VERDICT: B"), eyes.says("Fine."))
    skipped(judge(concurrency=1).answer(QUESTION, CLIPS))


def test_ratings_and_diagnoses_in_prose_are_skips(server, judge):
    server.plays(eyes.says("Splendid! RATING: 11"))
    assert judge().rate("low", LOW).kind is Kind.SKIP
    server.plays(eyes.says("It is not good."))
    assert judge().diagnose("low", LOW).kind is Kind.SKIP


# Trouble on the way.


def test_a_rate_limit_is_waited_out(server, judge):
    limited = server.fails(429, "slow down", [("Retry-After", "0.01")])
    server.plays(limited, limited, eyes.looks)
    assert judge().answer(QUESTION, CLIPS).answer == ("high",)


@pytest.mark.parametrize(
    ("reply", "settings", "words"),
    [
        (lambda s: s.fails(429, "slow"), {"retries": 1}, "lower feedback.judge.concurrency"),
        (lambda s: s.hangs(), {"timeout_s": 0.3}, "raise feedback.judge.timeout_s"),
        (lambda s: s.trickles(), {"timeout_s": 0.3}, "raise feedback.judge.timeout_s"),
        (lambda s: s.drops(), {"retries": 0}, "broke off the connection"),
        (lambda s: s.says("<html>"), {"retries": 0}, "check feedback.judge.base_url"),
        (lambda s: s.answers("W", finish="length"), {}, "raise feedback.judge.max_tokens"),
        (lambda s: s.answers("", finish="content_filter"), {}, "content filter"),
        (lambda s: s.answers(""), {}, "the answer was empty"),
    ],
)
def test_trouble_on_the_way_voids_the_vote_and_says_why(server, working, reply, settings, words):
    reason = skipped(working(reply(server), **settings).answer(QUESTION, CLIPS))
    assert words in reason
    assert "llm." not in reason


def test_what_failed_is_asked_again_and_what_did_not_is_not(server, working, tmp_path):
    # The second half of the vote is lost; the first is kept.
    judge = working(eyes.looks, server.fails(500, "boom"), retries=0, concurrency=1)
    lost = judge.answer(QUESTION, CLIPS)
    skipped(lost)
    server.plays(eyes.looks)
    server.bodies.clear()
    found = judge.answer(QUESTION, CLIPS)
    assert found.answer == ("high",)
    assert len(server.bodies) == 1
    assert found.id != lost.id  # so a journal keeps both
    (tmp_path / "run.db").touch()
    with Journal.open(tmp_path) as journal:
        assert [journal.append([lost]), journal.append([found])] == [1, 1]
        assert journal.read() == [lost, found]


def test_one_pair_in_trouble_touches_no_other(server, judge):
    judge().answer(QUESTION, CLIPS)
    asked = len(server.bodies)
    clips = {**CLIPS, "middle": eyes.clip(0.0, 0.5)}
    questions = [
        QUESTION,
        Question(Kind.PAIR, ("low", "gone")),
        Question(Kind.PAIR, ("middle", "high")),
    ]
    known, missing, new = judge().answers(questions, clips)
    assert (known.answer, new.answer) == (("high",), ("high",))
    assert missing.kind is Kind.SKIP
    assert missing.text == "there is no footage of gone."
    assert [clip.digest for clip in missing.shown] == [LOW.digest, ""]
    assert len(server.bodies) == asked + 2


def test_a_missing_clip_ends_a_cup(server, judge):
    said = judge().answer(Question(Kind.BEST, ("gone", "low", "high")), CLIPS)
    assert said.kind is Kind.SKIP
    assert not server.bodies


# What only the user can mend.


def test_not_at_all(judge):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        message = message_of(judge(base_url=url))
    assert message.startswith(f"cannot connect to {url}")
    assert "check feedback.judge.base_url" in message


def test_too_slow_from_the_beginning(server, judge):
    server.plays(server.hangs())
    assert "raise feedback.judge.timeout_s" in message_of(judge(timeout_s=0.2, retries=0))


def test_wrong_key_and_none(server, judge, monkeypatch):
    server.plays(server.fails(401, "Incorrect API key provided"))
    assert "feedback.judge.key_variable" in message_of(judge())
    with pytest.raises(ModelError, match=r"feedback\.judge needs an API key: .* MY_KEY, or set "):
        judge(key_variable="MY_KEY")


def test_unknown_model(server, judge):
    server.plays(server.fails(404, "The model `eyes` does not exist", code="model_not_found"))
    assert "Set feedback.judge.model to one of: model-a, model-b." in message_of(judge())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Invalid content type. image_url is only supported by certain models."),
        (404, "No endpoints found that support image input"),
        (400, "eyes is not a multimodal model"),
        (400, "At most 0 image(s) may be provided in one prompt."),
        (500, "image input is not supported - hint: you may need to provide the mmproj"),
        (400, "this model is missing data required for image input"),
        (422, "messages.1.content: Input should be a valid string"),
    ],
)
def test_a_model_without_eyes_is_named(server, judge, status, words):
    server.plays(server.fails(status, words))
    message = message_of(judge(retries=0))
    assert "shows eyes no images" in message
    assert message.endswith("set feedback.judge.model to a vision-language model.")


def test_too_many_pictures_for_the_server(server, judge):
    server.plays(server.fails(400, "At most 4 image(s) may be provided in one request."))
    assert message_of(judge()).endswith("or set feedback.judge.contact_sheet=true.")


def test_a_picture_that_the_server_cannot_read_voids_the_vote(server, working):
    broken = server.fails(400, "Failed to load image: cannot identify image file")
    reason = skipped(working(broken).answer(QUESTION, CLIPS))
    assert "cannot identify image file" in reason


# One small request before the first training.


def test_a_model_that_sees_passes(server, judge):
    judge().check()
    judge().check()
    assert len(server.bodies) == 1


def test_a_server_that_drops_pictures_without_a_word_is_found_out(server, judge):
    server.plays(eyes.says("COLOURS: red, green, blue"))
    with pytest.raises(ModelError, match="eyes does not see what it is shown") as info:
        judge().check()
    assert "Set feedback.judge.model to a vision-language model" in str(info.value)


@pytest.mark.parametrize("text", ["I cannot see pictures.", "COLOURS: red", "COLOURS: a, b, c"])
def test_a_model_that_says_that_it_sees_nothing_is_found_out(server, judge, text):
    server.plays(eyes.says(text))
    with pytest.raises(ModelError, match="eyes did not say which colours a picture has"):
        judge().check()
