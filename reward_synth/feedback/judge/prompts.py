"""What a judge is asked: ``prompts/judge_*.md`` filled in, with the pictures in their places."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reward_synth.propose.llm.images import Image
from reward_synth.propose.llm.records import Message
from reward_synth.propose.prompts import render
from reward_synth.records import TaskDescription
from reward_synth.rollout.footage import Footage


class Way(StrEnum):
    """What is asked; each has a template of its own."""

    PAIR = "pair"
    RATE = "rate"
    DIAGNOSE = "diagnose"
    SIGHT = "sight"


@dataclass(frozen=True, slots=True)
class Style:
    """How clips are put before a judge.

    Attributes:
      facts: whether the measured facts are told.
      contact_sheet: whether a clip is one image with all pictures in it, for models that take
        few images.
    """

    facts: bool = True
    contact_sheet: bool = False


def judge_messages(
    way: Way, description: TaskDescription, rubric: str, shown: Sequence[Footage], style: Style
) -> tuple[Message, ...]:
    """Ask a judge about clips.

    Args:
      way: what is asked.
      description: of the task; the judge is told its sentence and notes.
      rubric: principles of the user's, as Markdown without headings above level 2; "" for none.
      shown: one clip, or for a pair two, of which the first is A.
      style: how they are shown.
    """
    clips = [_clip(shown, i, style) for i in range(len(shown))]
    system = render("judge_system.md", facts=style.facts)
    text = render(f"judge_{way}.md", task=description, rubric=rubric, clips=clips)
    images = tuple(image for clip in clips for image in clip.images)
    return Message("system", system), Message("user", text, images)


def again_messages(way: Way, messages: Sequence[Message], answer: str) -> tuple[Message, ...]:
    """Ask once more for the last line, of a judge whose answer lacks it."""
    return (
        *messages,
        Message("assistant", answer),
        Message("user", render("judge_again.md", way=str(way))),
    )


def prompt_digest(messages: Sequence[Message]) -> str:
    """Return SHA-256 of what was asked, in hexadecimal; of the pictures it takes in hashes."""
    kept = json.dumps([message.to_json() for message in messages], sort_keys=True)
    return hashlib.sha256(kept.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip as the templates show it."""

    title: str
    facts: tuple[str, ...]
    legend: str
    pictures: tuple[str, ...]
    images: tuple[Image, ...]


def _clip(shown: Sequence[Footage], index: int, style: Style) -> _Clip:
    letter, footage = "AB"[index], shown[index]
    title = f"Clip {letter}" if len(shown) > 1 else "The clip"
    facts = footage.facts if style.facts else ()
    if style.contact_sheet:
        image = Image(letter, footage.sheet())
        times = ", ".join(f"{t:.2f}" for t in sorted({f.seconds for f in footage.frames}))
        rows = ", ".join(f"camera {c + 1}" for c in range(footage.cameras))
        legend = f"All its pictures in one, the columns at {times} s; the rows from above: {rows}."
        return _Clip(title, facts, legend, (image.mark,), (image,))
    images = tuple(Image(f"{letter}{i + 1}", f.jpeg) for i, f in enumerate(footage.frames))
    pictures = tuple(
        f"{frame.seconds:.2f} s, camera {frame.camera}: {image.mark}"
        for frame, image in zip(footage.frames, images, strict=True)
    )
    return _Clip(title, facts, "Its pictures, in the order of time:", pictures, images)
