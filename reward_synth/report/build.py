"""From a run folder to its report.html."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reward_synth.feedback.scores import difference
from reward_synth.files import atomic_write
from reward_synth.report import plots, programs, words
from reward_synth.report.run import CONTENDERS, Run, read_run
from reward_synth.report.tree import family_tree
from reward_synth.search.candidate import Candidate
from reward_synth.search.store import Spent

_HERE = Path(__file__).resolve().parent
_VIDEO_BYTES = 9_000_000  # all videos together; a third more as base64
_NAMES = {
    "found": "found reward",
    "expert": "human-written reward",
    "sparse": "success-only reward",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A candidate with what its place in the report shows."""

    candidate: Candidate
    is_best: bool
    code: Markup
    compared_with: str
    changes: Markup
    video: Markup | None
    file: str  # of the video; "" if there is none


@dataclass(frozen=True, slots=True)
class _Gap:
    """How far the found reward is ahead of another."""

    name: str
    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval allows to be said."""
        if self.low > 0:
            return f"is better than the {self.name}"
        if self.high < 0:
            return f"is worse than the {self.name}"
        return f"cannot be told apart from the {self.name}"


def build_report(folder: Path) -> Path:
    """Write report.html into a run folder and return its path.

    The page stands alone: it loads nothing, runs no scripts, and everything in it
    comes from the folder. It can be built at any time, also while the run goes on.

    Raises:
      RunError: there is no run in ``folder``, or it is of another format.
      OSError: the folder cannot be written.
    """
    run = read_run(folder)
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number,
        estimate=words.estimate,
        percent=words.percent,
        count=words.count,
        duration=words.duration,
        dollars=words.dollars,
    )
    environment.globals.update(plural=words.plural, between=words.between, names=_NAMES)
    page = environment.get_template("report.html.j2").render(_content(run))
    path = folder / "report.html"
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "replace"))  # a model's answer may hold lone surrogates
    return path


def _content(run: Run) -> dict[str, Any]:
    best, generations = run.best, run.generations
    best_id = best.id if best else ""
    videos = _Videos(run.folder)
    shown = {name: videos.embed(f"final/{name}/rollout.mp4") for name in CONTENDERS}
    if best and not shown["found"]:
        shown["found"] = videos.embed(f"{best.folder}/rollout.mp4")
    embedded = {c.id: videos.embed(f"{c.folder}/rollout.mp4") for c in _by_merit(run)}
    by_id = {c.id: c for c in run.candidates}
    curves = {c.id: curve for c in run.candidates if (curve := run.curve(c))}
    trained = {
        number: [(c, curves[c.id]) for c in members if c.id in curves]
        for number, members in generations.items()
    }
    scores = run.result.scores if run.result else {}
    found = scores.get("found")
    gaps = [
        _Gap(_NAMES[name], *gap)
        for name, score in scores.items()
        if found and name != "found" and (gap := difference(found, score))
    ]
    spent = run.spent()
    return {
        "run": run,
        "css": Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        "date": time.strftime("%-d %B %Y", time.gmtime(run.started)) if run.started else "",
        "authors": sorted({c.author for c in run.candidates}),
        "best": best,
        "best_code": programs.highlighted(best.program.source) if best and best.program else "",
        "videos": {name: video for name, video in shown.items() if video},
        "scores": scores,
        "gaps": gaps,
        "comparison": plots.comparison(scores, _NAMES) if scores else "",
        "terms": plots.reward_terms(curves[best_id])
        if best_id in curves and curves[best_id].terms
        else "",
        "by_generation": plots.fitness_by_generation(generations, best_id) if run.scored else "",
        "tree": family_tree(generations, best_id) if run.candidates else "",
        "learning": plots.learning_curves(trained, best_id) if curves else "",
        "generations": {
            number: [_entry(run.folder, c, by_id, embedded[c.id], c is best) for c in members]
            for number, members in generations.items()
        },
        "planned": run.config.get("search", {}).get("generations", 0),
        "rejected": _reasons(run),
        "spent": spent,
        "total": sum(spent.values(), Spent()),
        "settings": dict(_flat(run.config)),
        "seeds": dict(_flat(run.seeds)),
    }


class _Videos:
    """Embeds videos until the page is as large as it should be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = _VIDEO_BYTES

    def embed(self, name: str) -> Markup | None:
        """Return a data URI; None if there is no such video or no more room."""
        path = self._folder / name
        size = path.stat().st_size if path.is_file() else 0
        if not 0 < size <= self._left:
            return None
        self._left -= size
        data = base64.b64encode(path.read_bytes()).decode()
        return Markup(f"data:video/mp4;base64,{data}")


def _by_merit(run: Run) -> list[Candidate]:
    scored = list(run.scored)
    return scored + [c for c in run.candidates if c not in scored]


def _entry(
    folder: Path,
    candidate: Candidate,
    by_id: dict[str, Candidate],
    video: Markup | None,
    is_best: bool,
) -> _Entry:
    program = candidate.program
    parent = next((p for p in map(by_id.get, candidate.parents) if p and p.program), None)
    comparable = program and parent and parent.program
    file = f"{candidate.folder}/rollout.mp4"
    return _Entry(
        candidate=candidate,
        is_best=is_best,
        code=programs.highlighted(program.source) if program else Markup(""),
        compared_with=parent.id if parent and comparable else "",
        changes=programs.difference(comparable.source, program.source)
        if program and comparable
        else Markup(""),
        video=video,
        file=file if (folder / file).is_file() else "",
    )


def _reasons(run: Run) -> dict[str, int]:
    stages = [c.rejection.stage.value for c in run.candidates if c.rejection]
    return {stage: stages.count(stage) for stage in dict.fromkeys(stages)}


def _flat(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names; None is left out, as it stands for a default."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((prefix + name, text))
    return rows
