"""A picture that only those who see can describe: three bands of colour."""

from __future__ import annotations

import re

from PIL import Image as Picture

from reward_synth.propose.llm.images import Image
from reward_synth.propose.llm.records import Message
from reward_synth.propose.prompts import render
from reward_synth.rollout.footage import encoded

_COLOURS = {"red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255), "yellow": (255, 230, 0)}
BANDS = ("blue", "yellow", "red")  # no usual order: one guess in 64 is right
_WIDTH, _HEIGHT = 96, 160  # of a band, in pixels
_ANSWER = re.compile(rf"COLOURS:[*_\s]*({'|'.join(_COLOURS)})" + rf",\s*({'|'.join(_COLOURS)})" * 2)


def sight_messages() -> tuple[Message, ...]:
    """Ask for the colours of a picture."""
    picture = Picture.new("RGB", (_WIDTH * len(BANDS), _HEIGHT))
    for i, name in enumerate(BANDS):
        picture.paste(_COLOURS[name], (i * _WIDTH, 0, (i + 1) * _WIDTH, _HEIGHT))
    image = Image("S", encoded(picture))
    text = render("judge_sight.md", count=len(BANDS), mark=image.mark, colours=tuple(_COLOURS))
    return (Message("user", text, (image,)),)


def read_colours(answer: str) -> tuple[str, ...] | None:
    """Return the colours in the last line, None if they are not there."""
    lines = answer.strip().splitlines() or [""]
    found = _ANSWER.fullmatch(lines[-1].strip(" *_`."))
    return found.groups() if found else None
