"""Questions and progress as JSON, as the page's script reads them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reward_synth.feedback.annotations import Annotation, Kind
from reward_synth.label.desk import Asked, Desk, words
from reward_synth.label.exhibits import Exhibit


def turn_json(desk: Desk, who: str) -> dict[str, Any] | None:
    """Return what somebody is asked now and how far they are; None before there is anything."""
    turn = desk.turn(who)
    if turn is None:
        return None
    return {
        "asked": asked_json(desk, who, turn.asked),
        "generation": turn.generation,
        "waiting": turn.waiting,
        "can_stop": turn.can_stop,
        "heeded": turn.heeded,
        "over": turn.over,
        "wanted": turn.wanted,
        "given": turn.given,
        "choices": turn.choices,
        "last": turn.last
        and {
            "id": turn.last.id,
            "words": words(turn.last),
            "asked": asked_json(desk, who, desk.undone(turn.last)),
        },
    }


def asked_json(desk: Desk, who: str, asked: Asked | None) -> dict[str, Any] | None:
    """Return a question, with what somebody has said of its clips before."""
    if asked is None:
        return None
    marked = desk.marked(who, asked.clips)
    return {
        "kind": asked.kind,
        "clips": [
            _exhibit(
                exhibit, [one for one in marked if one.candidates[0] == exhibit.clip.candidate]
            )
            for exhibit in asked.exhibits
        ],
    }


def _exhibit(exhibit: Exhibit, marked: list[Annotation]) -> dict[str, Any]:
    clip = exhibit.clip
    marked = [one for one in marked if one.candidates == (clip.candidate,)]
    return {
        "clip": asdict(clip),
        "video": f"/clip/{clip.candidate}?v={clip.digest}",
        "fault": exhibit.fault,
        "marks": [
            {
                "id": one.id,
                "begin": one.shown[0].begin,
                "end": one.shown[0].end,
                "good": one.value == 1.0,
                "category": one.category,
                "text": one.text,
            }
            for one in marked
            if one.kind is Kind.SEGMENT
        ],
        "texts": [{"id": one.id, "text": one.text} for one in marked if one.kind is Kind.TEXT],
    }
