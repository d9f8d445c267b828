"""The candidates' entries: all that is known of each."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reward_synth.feedback.estimates import Estimate
from reward_synth.report import curves, programs
from reward_synth.report.marks import Fate, Mark, cut_at, fate
from reward_synth.report.run import Curve, Run
from reward_synth.search.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate with what the page shows of it.

    Attributes:
      candidate: the record.
      fate: what became of it.
      cut_at: the rung at which it was left behind, 1 for the first; 0 if it was not.
      mark: its lineage's.
      is_best: whether the search stands by it.
      estimate: of its fitness, None if it was not scored.
      code: its program, coloured.
      compared_with: the id of its first parent that has a program; "" if none has.
      changes: from that parent's program; "" if there are none.
      curves: drawings of its training; "" if there was none.
      steps: environment steps of that training, 0 if there was none.
      video: a data URI, None if there is no video or no room.
      file: of the video, in the run folder; "" if there is none.
    """

    candidate: Candidate
    fate: Fate
    cut_at: int
    mark: Mark
    is_best: bool
    estimate: Estimate | None
    code: Markup
    compared_with: str
    changes: Markup
    curves: Markup
    steps: float
    video: Markup | None
    file: str


class Videos:
    """Embeds videos until the page is as large as it should be."""

    def __init__(self, folder: Path, room: int) -> None:
        self._folder = folder
        self._left = room

    def embed(self, name: str) -> Markup | None:
        """Return a data URI; None if there is no such video or no more room."""
        path = self._folder / name
        size = path.stat().st_size if path.is_file() else 0
        if not 0 < size <= self._left:
            return None
        self._left -= size
        data = base64.b64encode(path.read_bytes()).decode()
        return Markup(f"data:video/mp4;base64,{data}")


def entries(
    run: Run, looks: Mapping[int, Mark], trainings: Mapping[str, Curve], videos: Videos
) -> list[Entry]:
    """Return an entry for each candidate, by place; the fitter ones' videos are embedded first."""
    scored = [c.id for c in run.scored]
    by_merit = [*scored, *(c.id for c in run.candidates if c.id not in set(scored))]
    by_id = {c.id: c for c in run.candidates}
    best = run.best.id if run.best else ""
    embedded = {id: videos.embed(f"{by_id[id].folder}/rollout.mp4") for id in by_merit}
    return [
        _entry(run, c, best, by_id, looks[c.lineage], trainings.get(c.id), embedded[c.id])
        for c in run.candidates
    ]


def _entry(
    run: Run,
    candidate: Candidate,
    best: str,
    by_id: Mapping[str, Candidate],
    mark: Mark,
    training: Curve | None,
    video: Markup | None,
) -> Entry:
    program = candidate.program
    parent = next((p for p in map(by_id.get, candidate.parents) if p and p.program), None)
    comparable = program and parent and parent.program
    file = f"{candidate.folder}/rollout.mp4"
    return Entry(
        candidate=candidate,
        fate=fate(candidate),
        cut_at=cut_at(candidate),
        mark=mark,
        is_best=candidate.id == best,
        estimate=run.estimates.get(candidate.id),
        code=programs.highlighted(program.source) if program else Markup(""),
        compared_with=parent.id if parent and comparable else "",
        changes=programs.difference(comparable.source, program.source)
        if program and comparable
        else Markup(""),
        curves=curves.drawings(training) if training else Markup(""),
        steps=float(training.steps[-1]) if training else 0.0,
        video=video,
        file=file if (run.folder / file).is_file() else "",
    )
