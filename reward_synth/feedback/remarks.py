"""What people and models say of policies in words, with what the reward paid meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from reward_synth.feedback.annotations import Annotation, Kind

_LONGEST = 400  # characters of one remark: a proposer is told what was said, not flooded with it
_MOST = 8  # remarks about one candidate, the latest


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The reward's terms over the episode that was shown.

    Attributes:
      terms: T names.
      values: (L, T) what each paid in each step.
      timestep: seconds of a step.
    """

    terms: tuple[str, ...]
    values: np.ndarray
    timestep: float

    def over(self, begin: float, end: float) -> np.ndarray | None:
        """Return the (T,) mean a step between two times; None if the episode was over by then."""
        first, last = round(begin / self.timestep), max(1, round(end / self.timestep))
        steps = self.values[first : max(last, first + 1)]
        return steps.mean(0) if len(steps) else None


def remarks(said: Iterable[Annotation], traces: Mapping[str, Trace]) -> dict[str, str]:
    """Return what was said in words, as Markdown lines for whoever writes the next reward.

    Args:
      said: what holds, in its order.
      traces: of the candidates that it is about, as far as there are any.

    Returns:
      The lines by the id of the candidate that they are about; under "" those about all.
    """
    lines: dict[str, list[str]] = {}
    for annotation in said:
        for about, line in _lines(annotation, traces):
            lines.setdefault(about, []).append(line)
    return {
        about: "\n".join(f"- {line}" for line in some[-_MOST:]) for about, some in lines.items()
    }


def _lines(said: Annotation, traces: Mapping[str, Trace]) -> Iterator[tuple[str, str]]:
    words = _short(said.text)
    if said.kind is Kind.TEXT:
        for about in said.candidates or ("",):
            yield about, f"{said.who}: {words}"
    elif said.kind is Kind.SEGMENT:
        (clip,) = said.shown
        assert clip.end is not None
        verdict = "good" if said.value == 1.0 else "bad"
        why = ", ".join(text for text in (_short(said.category), words) if text)
        paid = _paid(traces.get(clip.candidate), clip.begin, clip.end)
        yield (
            clip.candidate,
            f"{said.who} marked {clip.begin:.1f} s to {clip.end:.1f} s as {verdict}"
            f"{f' ({why})' if why else ''}{paid}.",
        )
    elif said.comparisons and words:  # the reason for a choice
        others = [id for id in said.candidates if id not in said.answer]
        if not said.answer:
            for id in said.candidates:
                yield id, f"{said.who}, who finds {' and '.join(said.candidates)} equal: {words}"
        elif said.kind in (Kind.PAIR, Kind.BEST):
            (chosen,) = said.answer
            yield chosen, f"{said.who}, who prefers it to {', '.join(others)}: {words}"
            for id in others:
                yield id, f"{said.who}, who prefers {chosen} to it: {words}"
        else:
            yield said.answer[-1], f"{said.who}, who likes it least: {words}"


def _paid(trace: Trace | None, begin: float, end: float) -> str:
    """Say what each term paid over a stretch, against the whole episode."""
    there = None if trace is None else trace.over(begin, end)
    if trace is None or there is None:
        return ""
    whole = trace.values.mean(0)
    parts = [
        f"{name} paid {a:.3g} a step ({b:.3g} over the episode)"
        for name, a, b in zip(trace.terms, there, whole, strict=True)
    ]
    return f": there {', '.join(parts)}"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
