"""A judge's model that looks: it decodes the pictures it is sent and answers by their pixels."""

import base64
import io
import json
import re

import numpy as np
from PIL import Image, ImageDraw

from reward_synth.rollout.footage import Footage, Frame, encoded
from tests.propose.conftest import send

WIDTH, HEIGHT = 64, 48
_MARK = re.compile(r"\[image ([ABS])(\d*)\]\s*\Z")


def ball(height):
    """A picture of a red ball at this height, from 0 at the bottom to 1 at the top."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    middle = (1 - height) * (HEIGHT - 9) + 4
    ImageDraw.Draw(picture).ellipse((28, middle - 4, 36, middle + 4), fill="red")
    return encoded(picture)


def clip(*heights, facts=("It lasted 2 s.",), rollout=""):
    """Footage of a ball at these heights, one an instant, by two cameras."""
    frames = [
        Frame(round(0.5 * t, 2), camera, ball(height))
        for t, height in enumerate(heights)
        for camera in (1, 2)
    ]
    return Footage(tuple(frames), tuple(facts), 0.5 * (len(heights) - 1), rollout)


def pictures(body):
    """What a request shows: its letter to the pictures, (height, width, 3), after their marks."""
    found, letter = {}, None
    for message in body["messages"]:
        if isinstance(message["content"], str):
            continue
        for part in message["content"]:
            if part["type"] == "text":
                marked = _MARK.search(part["text"])
                letter = marked and marked[1]
            else:
                scheme, data = part["image_url"]["url"].split(",", 1)
                assert scheme == "data:image/jpeg;base64"
                picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
                found.setdefault(letter, []).append(np.asarray(picture).astype(int))
    return found


def height(picture):
    """How high the red is in a picture, from 0 to 1; of a contact sheet, in its last column."""
    picture = picture[:HEIGHT, -WIDTH:]
    red = (picture[..., 0] > 150) & (picture[..., 1] < 100)
    rows = np.flatnonzero(red.any(1))
    return 1 - (rows.mean() - 4) / (HEIGHT - 9)


def bands(body):
    """The colours of three bands, by the nearest of those that it may be."""
    ((picture,),) = pictures(body).values()
    known = {"red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255), "yellow": (255, 230, 0)}
    columns = picture.shape[1] * np.array([1, 3, 5]) // 6
    seen = picture[picture.shape[0] // 2, columns]
    return [min(known, key=lambda name: np.abs(known[name] - pixel).sum()) for pixel in seen]


def looks(handler, body):
    """Answer by how high the ball is in the last picture of each clip."""
    if "COLOURS: X" in text_of(body):
        reply(handler, f"COLOURS: {', '.join(bands(body))}")
        return
    heights = {letter: height(shown[-1]) for letter, shown in pictures(body).items()}
    text = "\n".join(f"In clip {letter} it ends {h:.2f} high." for letter, h in heights.items())
    asked = text_of(body)
    if "VERDICT: A" in asked:
        gap = heights["A"] - heights["B"]
        text += f"\nVERDICT: {'TIE' if abs(gap) < 0.1 else 'A' if gap > 0 else 'B'}"
    elif "RATING: N" in asked:
        text += f"\nRATING: {round(10 * heights['A'])}"
    else:
        text += f"\nDIAGNOSIS: The ball ends {heights['A']:.1f} high.\nIt should end higher."
    reply(handler, text, shown=sum(map(len, pictures(body).values())))


def says(text):
    """Answer always the same, without a look."""
    return lambda handler, body: reply(handler, text)


def reply(handler, text, shown=0):
    message = {"role": "assistant", "content": text}
    data = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "eyes-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100 + 50 * shown, "completion_tokens": 20},
    }
    send(handler, 200, json.dumps(data))


def text_of(body):
    """All that a request says in words."""
    said = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said += [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(said)
