"""The card of a bundle: what the policy does, how well, and what nobody has tested."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from reward_synth.feedback.scores import in_words
from reward_synth.files import write_text
from reward_synth.records import Violation
from reward_synth.report import programs, words
from reward_synth.report.templates import environment

_HERE = Path(__file__).resolve().parent
_REWARDS = {
    "found": "the found reward",
    "expert": "the human-written reward",
    "sparse": "success alone",
}
_STRESS = "stress.json"
_PLOTS = (".svg", ".png")


def write_card(folder: Path, description: Mapping[str, Any]) -> None:
    """Write card.md and card.html into a bundle's folder.

    Robustness is shown if the folder holds a ``stress.json``, whose "summary" is a list of
    lines, or pictures named ``stress*``. Whoever adds them calls this, then ``seal``.

    Args:
      folder: of the bundle.
      description: deploy.json's content.
    """
    video = folder / "video.mp4"
    stress = folder / _STRESS
    content = {
        "d": description,
        "video": video.name if video.is_file() else "",
        "stress": _summary(json.loads(stress.read_bytes())) if stress.is_file() else [],
        "plots": sorted(
            path.name for path in folder.glob("stress*") if path.suffix.lower() in _PLOTS
        ),
        "rewards": _REWARDS,
        "limits": _limits(description),
    }
    page = _environment(html=True).get_template("card.html.j2")
    css = Markup((_HERE / "report.css").read_text(encoding="utf-8"))
    code = programs.highlighted(description["provenance"]["reward"])
    write_text(folder / "card.html", page.render(**content, css=css, code=code))
    write_text(
        folder / "card.md", _environment(html=False).get_template("card.md.j2").render(**content)
    )


def _environment(*, html: bool) -> Environment:
    made = environment(html=html)
    made.filters.update(line=_one_line, clip=_clip)
    return made


def _summary(stress: Mapping[str, Any]) -> list[str]:
    return [str(line) for line in stress.get("summary", [])]


def _one_line(text: str) -> str:
    """Keep words from ending the paragraph or cell that they stand in, and from being HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _clip(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    if low is None or high is None:
        ends = [("from", low), ("to", high)]
        return " ".join(f"{w} {words.number(x)}" for w, x in ends if x is not None) or "none"
    return words.between(low, high)


def _limits(description: Mapping[str, Any]) -> list[str]:
    """Return what the numbers do not say, in sentences."""
    evidence, timing = description["evidence"], description["timing"]
    worlds = description["provenance"].get("worlds", "")
    trained = (
        f"It was trained in worlds that differ ({worlds}) and tested in MuJoCo alone, on the one "
        "model in the bundle."
        if worlds
        else "It was trained and tested in MuJoCo alone, on the one model in the bundle: masses, "
        "friction, delays and noise did not differ."
    )
    found = [
        f"{trained} It has not run on hardware.",
        f"Initial states are the task's own, {evidence['episodes']} of them, drawn with a seed "
        "that training did not use. Nothing was tried from others.",
        f"It expects a new action every {timing['period'] * 1e3:g} ms, computed from a reading "
        "of that moment.",
    ]
    supplied = [
        field["name"]
        for field in description["fields"]
        if field["source"] == "robot" and field["observed"]
    ]
    if supplied:
        found.append(
            f"In simulation it is told {', '.join(supplied)} without error. A robot has to "
            "estimate what it does not measure."
        )
    kept = [Violation(**entry) for entry in evidence.get("limits", ())]
    beyond = in_words([limit for limit in kept if limit.share])
    if kept and not beyond:
        names = ", ".join(limit.limit for limit in kept)
        found.insert(0, f"It keeps to the limits that the task declares: {names}.")
    unlimited = [j["name"] for j in description["joints"] if j["limits"]["velocity"] is None]
    if unlimited:
        found.append(
            "The model limits no joint's speed; the runtime watches for twice what was seen."
        )
    if beyond:
        found.insert(0, f"It exceeds limits that the task declares: {beyond}.")
    if evidence["success"]["mean"] < 0.5:
        found.insert(
            0,
            f"It succeeds in {words.percent(evidence['success']['mean'])} of episodes: "
            "it is no solution of the task.",
        )
    return found
