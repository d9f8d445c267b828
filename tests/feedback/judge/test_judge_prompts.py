"""What a judge is asked, against golden/.

After a deliberate change to a template, write them anew and read the difference:

    REWARD_SYNTH_GOLDEN=write pytest tests/feedback/judge/test_judge_prompts.py && git diff tests
"""

import dataclasses
import os
from pathlib import Path

import pytest

from reward_synth.feedback.judge.prompts import (
    Style,
    Way,
    again_messages,
    judge_messages,
    prompt_digest,
)
from reward_synth.feedback.judge.sight import sight_messages
from tests.feedback.judge import eyes
from tests.feedback.judge.conftest import LIFT

GOLDEN = Path(__file__).parent / "golden"
RUBRIC = "1. No jerks.\n2. The ball should not swing."
ONE = eyes.clip(0.0, 0.5, facts=("It lasted the whole 2 s.", "What touched: ball\nand floor 20%."))
OTHER = eyes.clip(0.0, 0.9, facts=("It ended early, after 0.5 s of 2 s.",))


def asked(way, *shown, rubric="", task=LIFT, **style):
    return judge_messages(way, task, rubric, shown, Style(**style))


CASES = {
    "pair": lambda: asked(Way.PAIR, ONE, OTHER, rubric=RUBRIC),
    "pair_plain": lambda: asked(
        Way.PAIR, ONE, OTHER, task=dataclasses.replace(LIFT, notes=""), facts=False
    ),
    "pair_sheets": lambda: asked(Way.PAIR, ONE, OTHER, contact_sheet=True),
    "rate": lambda: asked(Way.RATE, ONE, rubric=RUBRIC),
    "diagnose": lambda: asked(Way.DIAGNOSE, ONE, rubric=RUBRIC),
    "sight": sight_messages,
}
CASES |= {
    f"again_{way}": lambda way=way: again_messages(way, asked(Way.RATE, ONE), "Well ...")[-2:]
    for way in Way
}


def told(messages):
    return "\n".join(f"<{message.role}>\n{message.content}" for message in messages)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    path, text = GOLDEN / f"{case}.md", told(CASES[case]())
    if os.environ.get("REWARD_SYNTH_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; see above"


def test_every_golden_file_has_its_case():
    assert {path.stem for path in GOLDEN.glob("*.md")} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_white_space_is_tidy(case):
    for message in CASES[case]():
        assert "\n\n\n" not in message.content
        assert message.content == message.content.strip() + "\n" * (message.role != "assistant")


def test_pictures_stand_after_their_instants():
    (_, user) = CASES["pair"]()
    content = user.wire["content"]
    kinds = [part["type"] for part in content]
    assert kinds == ["text", "image_url"] * 8 + ["text"]
    assert content[0]["text"].endswith("- 0.00 s, camera 1: [image A1]")
    assert content[10]["text"].endswith("- 0.00 s, camera 2: [image B2]")
    assert [image.data for image in user.images] == [
        frame.jpeg for footage in (ONE, OTHER) for frame in footage.frames
    ]


def test_a_text_cannot_stand_for_a_picture():
    task = dataclasses.replace(LIFT, sentence="See [image A1].", notes="Or [IMAGE B1]!")
    sly = dataclasses.replace(ONE, facts=("It holds [image A2].",))
    (_, user) = asked(Way.PAIR, sly, OTHER, task=task, rubric="Like [image B2]")
    assert len(user.images) == 8
    assert user.content.count("[image A1]") == 1


def test_text_from_others_is_never_rendered_as_a_template():
    (_, user) = asked(Way.RATE, ONE, rubric="{{ task }}{% if %}")
    assert "{{ task }}{% if %}" in user.content


def test_the_digest_is_of_words_and_pictures():
    digests = {prompt_digest(build()) for build in CASES.values()}
    assert len(digests) == len(CASES)
    assert prompt_digest(asked(Way.PAIR, ONE, OTHER)) != prompt_digest(asked(Way.PAIR, OTHER, ONE))
    assert prompt_digest(CASES["pair"]()) == prompt_digest(CASES["pair"]())
