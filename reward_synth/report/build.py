"""From a run folder to its report.html."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from markupsafe import Markup

from reward_synth.feedback.audit import false_rejects
from reward_synth.feedback.scores import difference, exceeded
from reward_synth.files import atomic_write
from reward_synth.report import nodes, plots, programs
from reward_synth.report.budget import spending, timeline
from reward_synth.report.entries import Entry, Videos, entries
from reward_synth.report.map import reward_map
from reward_synth.report.marks import Fate, fate, marks
from reward_synth.report.opinions import opinions
from reward_synth.report.run import CONTENDERS, Curve, Run, read_run
from reward_synth.report.rungs import rungs, standings_and_ends
from reward_synth.report.tallies import screens, tallies
from reward_synth.report.templates import environment
from reward_synth.report.tree import family_tree, is_large
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import audits
from reward_synth.search.store import Spent

_HERE = Path(__file__).resolve().parent
_VIDEO_BYTES = 9_000_000  # all videos together; a third more as base64
_WHOLE = 60  # candidates whose sections hold all that is known of them
_NAMES = {
    "found": "found reward",
    "expert": "human-written reward",
    "looks": "reward from pictures alone",
    "sparse": "success-only reward",
}


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

    The page stands alone: it loads nothing, and everything in it comes from the folder. The
    one script it runs opens details beside the tree; the page forbids any other. It can be
    built at any time, also while the run goes on.

    Raises:
      RunError: there is no run in ``folder``, or it is of another format.
      OSError: the folder cannot be written.
    """
    run = read_run(folder)
    pages = environment()
    pages.globals.update(names=_NAMES, exceeded=exceeded, measure=run.measure)
    page = pages.get_template("report.html.j2").render(_content(run, pages))
    path = folder / "report.html"
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "replace"))  # a model's answer may hold lone surrogates
    return path


def _content(run: Run, pages: Environment) -> dict[str, Any]:
    best = run.best
    videos = Videos(run.folder, _VIDEO_BYTES)
    shown = {name: videos.embed(f"final/{name}/rollout.mp4") for name in CONTENDERS}
    if best and not shown["found"]:
        shown["found"] = videos.embed(f"{best.folder}/rollout.mp4")
    trainings = {c.id: curve for c in run.candidates if (curve := run.curve(c))}
    everyone = entries(run, marks(run.candidates), trainings, videos)
    scores = run.result.scores if run.result else {}
    found = scores.get("found")
    gaps = [
        _Gap(_NAMES[name], *gap)
        for name, score in scores.items()
        if found and name != "found" and (gap := difference(found, score))
    ]
    spent = run.spent()
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    bodies = _bodies(everyone, pages) if len(everyone) > _WHOLE else {}
    return {
        "run": run,
        "css": Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        "js": Markup(script),
        "js_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "bodies": bodies,
        "bodies_json": _in_script(bodies),
        "date": time.strftime("%-d %B %Y", time.gmtime(run.started)) if run.started else "",
        "authors": sorted({c.author for c in run.candidates}),
        "best": best,
        "best_code": programs.highlighted(best.program.source) if best and best.program else "",
        "videos": {name: video for name, video in shown.items() if video},
        "scores": scores,
        "gaps": gaps,
        "comparison": plots.comparison(scores, _NAMES) if scores else "",
        "terms": plots.reward_terms(trainings[best.id])
        if best and best.id in trainings and trainings[best.id].terms
        else "",
        "generations": {
            number: [entry for entry in everyone if entry.candidate.generation == number]
            for number in run.generations
        },
        "planned": run.config.get("search", {}).get("generations", 0),
        "rejected": _reasons(run),
        "spent": spent,
        "answers": {
            purpose: sum(e.purpose == purpose and e.spent.tokens > 0 for e in run.expenses)
            for purpose in spent
        },
        "total": sum(spent.values(), Spent()),
        "spending": spending(timeline(run)) if len(run.expenses) > 1 else "",
        "settings": dict(_flat(run.config)),
        "seeds": dict(_flat(run.seeds)),
        **(_search(run, trainings, best.id if best else "") if run.candidates else {}),
    }


def _search(run: Run, trainings: Mapping[str, Curve], best: str) -> dict[str, Any]:
    """Return what the section about the search shows; there are candidates."""
    candidates, generations = run.candidates, run.generations
    curves = {
        number: [(c, trainings[c.id]) for c in members if c.id in trainings]
        for number, members in generations.items()
    }
    drawn, share = ("", 0.0)
    if run.distances:
        drawn, share = reward_map(run.distances, candidates, run.estimates, best)
    by = {
        "by operator": lambda c: c.kind,
        "by lineage": lambda c: str(c.lineage),
        "by author": lambda c: c.author,
    }
    archive = Archive(candidates, len(generations))
    yields = {title: tallies(archive, name) for title, name in by.items()}
    return {
        "tree": family_tree(candidates, run.estimates, best),
        "legend": nodes.LEGEND if is_large(candidates) else (),
        "sign": nodes.sign,
        "again": sum(len(c.score.trainings) > 1 for c in run.scored if c.score),
        "cut": sum(fate(c) is Fate.CUT for c in candidates),
        "by_generation": plots.fitness_by_generation(
            generations, run.estimates, run.incumbents, best, run.measure
        )
        if run.scored
        else "",
        "learning": plots.learning_curves(curves, best)
        if any(np.isfinite(curve.fitness).any() for curve in trainings.values())
        else "",
        "rungs": rungs(candidates),
        "standings": standings_and_ends(candidates, best),
        "screens": screens(candidates),
        "false_rejects": false_rejects(audits(candidates)),
        "tallies": {
            title: rows
            for title, rows in yields.items()
            if len(rows) > 1 and any(row.improved.of for row in rows)
        },
        "opinions": opinions(run.said),
        "map": drawn,
        "map_share": share,
        "marks": marks(candidates),
        "mapped": {c.lineage for c in candidates if run.distances and c.id in run.distances.ids},
    }


def _bodies(everyone: Sequence[Entry], pages: Environment) -> dict[str, str]:
    """Return what the panel shows of each candidate, as HTML by id."""
    body = vars(pages.get_template("candidates.html.j2").module)["body"]
    return {entry.candidate.id: str(body(entry)) for entry in everyone}


def _in_script(value: Any) -> Markup:  # noqa: ANN401 (any JSON value)
    """Return JSON that cannot end the <script> it stands in."""
    return Markup(json.dumps(value).replace("<", r"\u003c"))


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
