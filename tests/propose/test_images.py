"""Images in a chat: where they are shown, and that nothing but a hash is kept."""

import asyncio
import json

import pytest

from reward_synth.errors import ModelError
from reward_synth.propose.llm.cache import CachedModel
from reward_synth.propose.llm.images import Image, unmarked
from reward_synth.propose.llm.records import Completion, Message, Request

RED, BLUE = Image("1", b"red"), Image("12", b"blue", "image/png")


def shows(*images):
    content = "First " + " then ".join(image.mark for image in images) + ". What is it?"
    return Message("user", content, images)


def test_an_image_is_shown_after_its_mark():
    assert shows(RED, BLUE).wire["content"] == [
        {"type": "text", "text": "First [image 1]"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,cmVk"}},
        {"type": "text", "text": " then [image 12]"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,Ymx1ZQ=="}},
        {"type": "text", "text": ". What is it?"},
    ]


def test_without_images_a_message_is_what_it_was():
    message = Message("user", "See [image 1].")
    assert message.wire == message.to_json() == {"role": "user", "content": "See [image 1]."}


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ("no mark", (RED,)),
        ("[image 1] and [image 1]", (RED,)),
        ("[image 12] and [image 1]", (RED, BLUE)),
        ("[image 1]", (RED, RED)),
    ],
)
def test_marks_that_do_not_fit(content, images):
    with pytest.raises(ValueError, match="must stand in the text once"):
        Message("user", content, images)


def test_a_text_made_harmless():
    assert unmarked("[image 1] [Image 2] [images] [x]") == "(image 1] (Image 2] [images] [x]"


def test_of_an_image_a_hash_is_kept():
    text = json.dumps(shows(RED).to_json()) + repr(shows(RED))
    assert RED.digest in text
    assert "cmVk" not in text
    assert "b'red'" not in text


def test_answers_are_kept_by_image(model, tmp_path):
    cached = CachedModel(model(), tmp_path)
    other = Image("1", b"other")
    paths = {cached.path(Request((shows(image),), 0)) for image in (RED, other)}
    assert len(paths) == 2


def test_keys_of_answers_without_images_are_what_they_were(model, tmp_path):
    cached = CachedModel(model(base_url="http://server/v1"), tmp_path)
    path = cached.path(Request((Message("user", "Hello"),), 3))
    assert path.stem == "ade86f630510203496d5b6d7b24d6ae2b01d81a30b1479c83e3d71428b345b25"


def test_a_refusal_of_images_is_told_only_where_there_are_some(server, model):
    server.plays(
        server.answers("Fine."),
        server.fails(400, "eyes is not a multimodal model"),
    )
    built, answers = model(), {}
    asyncio.run(built.complete([Request((Message("user", "Hi"),), 0)], answers.__setitem__))
    assert isinstance(answers[0], Completion)
    (failure,) = asyncio.run(
        built.complete([Request((Message("user", "Hi"),), 1)], answers.__setitem__)
    )
    assert "refused the request" in failure.reason
    with pytest.raises(ModelError, match=r"set llm\.model to a vision-language model"):
        asyncio.run(built.complete([Request((shows(RED),), 2)], answers.__setitem__))
