"""Tables for the terminal: tasks, a generation's candidates, the final comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from reward_synth.feedback.scores import exceeded, interval
from reward_synth.search.candidate import Candidate

if TYPE_CHECKING:
    from reward_synth.deploy.stress import Level
    from reward_synth.feedback.scores import Score
    from reward_synth.reward.compare import Comparison as Likeness
    from reward_synth.reward.compare import Distance
    from reward_synth.search.archive import Archive
    from reward_synth.search.listener import Comparison
    from reward_synth.search.robustify import Robustness
    from reward_synth.task.task import Task

_LOG_WIDTH = 110

_REWARDS = {
    "found": "found by this run",
    "expert": "human expert's",
    "looks": "pictures alone",
    "sparse": "sparse success",
}


def open_console() -> Console:
    """Return a console on stdout; in a file or a pipe, as wide as our tables want."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_LOG_WIDTH)


def tasks_table(tasks: Sequence[Task]) -> RenderableType:
    """One row for each task."""
    table = _table()
    table.add_column("task", style="bold", no_wrap=True)
    table.add_column("what the robot should do", ratio=1)
    _add_numbers(table, "fields", "actions", "episode", "training", "expert")
    for task in tasks:
        description = task.description
        table.add_row(
            task.name,
            escape(description.sentence),
            f"{len(description.fields)} ({description.state_size})",
            f"{description.action_size}",
            f"{description.episode_steps:,}",
            f"{task.train_steps:,}",
            "no" if task.expert_reward is None else "yes",
        )
    legend = (
        "fields: that a reward may read (numbers in all); episode, training: environment steps;\n"
        "expert: whether there is a published reward to compare with"
    )
    return Group(table, Text(legend, style="dim"))


def generation_table(archive: Archive, best: Candidate | None, total: int) -> RenderableType:
    """One row for each candidate that was trained to the end; a line for all the others.

    Args:
      archive: its last generation is shown, and the best of all beside it.
      best: the candidate that the search would end with now.
      total: how many generations there are to be.
    """
    number = archive.generations - 1
    mine = [c for c in archive.candidates if c.generation == number]
    table = _table()
    table.add_column("candidate", no_wrap=True)
    table.add_column("made by", no_wrap=True)
    _add_numbers(table, "fitness", "trainings", "estimate", "95%", "success", "length")
    earlier = [best] if best is not None and best.generation != number else []
    for candidate in (*earlier, *mine):
        if candidate.score is not None:
            score, estimate = candidate.score, archive.estimates[candidate.id]
            is_best = best is not None and candidate.id == best.id
            table.add_row(
                f"{'*' if is_best else ' '} {candidate.id}",
                escape(candidate.operator),
                short_number(score.fitness),
                f"{len(score.trainings)}",
                short_number(estimate.mean),
                _between(estimate.low, estimate.high),
                f"{score.success:.0%}",
                f"{score.length:.0f}{' !' if score.violated else ''}",
                style="bold green" if is_best else "",
            )
    heading = Text(f"Generation {number + 1} of {total}", style="bold")
    shown: list[RenderableType] = [table] if table.row_count else []
    if any(c.score is not None and c.score.violated for c in (*earlier, *mine)):
        shown.append(Text("   ! exceeds limits of the task: the report says which", style="dim"))
    rejections = [_rejection_line(c) for c in mine if c.rejection and not c.passed_over]
    passed_over = sum(c.passed_over for c in mine)
    if passed_over:
        rejections.append(Text(f"   {passed_over} more were proposed and passed over", "dim"))
    return Group(heading, *shown, *_left_behind(mine), *rejections)


def _left_behind(candidates: Sequence[Candidate]) -> list[Text]:
    """Say for each rung who was left behind there."""
    at: dict[int, list[str]] = {}
    for candidate in candidates:
        if candidate.cut:
            at.setdefault(candidate.standings[-1].steps, []).append(candidate.id)
    return [
        Text(f"   left behind after {steps:,} steps: {', '.join(ids)}", style="dim")
        for steps, ids in sorted(at.items())
    ]


def comparison_table(comparison: Comparison) -> RenderableType:
    """One row for each reward, all trained from scratch alike."""
    one = next(iter(comparison.scores.values()))
    count = len(one.trainings)
    table = _table()
    table.add_column("reward", no_wrap=True)
    # One training says nothing about the next, so its interval is of other things.
    of = "95% of mean" if count > 1 else "95% of episodes"
    _add_numbers(table, "fitness", of, "success", "human-normalized")
    for name, score in comparison.scores.items():
        normalized = comparison.normalized if name == "found" else None
        table.add_row(
            _REWARDS.get(name, name),
            *_score_cells(score),
            "" if normalized is None else f"{normalized:.2f}",
            style="bold green" if name == "found" else "",
        )
    trainings = f"{count} training{'s' if count > 1 else ''} of {comparison.steps:,} steps"
    heading = f"Final comparison: {trainings} from scratch, {one.episodes} held-out episodes each"
    formula = "human-normalized: (found - sparse) / |expert - sparse|"
    if "expert" in comparison.scores and comparison.normalized is None:
        formula += "; left out, for these trainings do not tell expert and sparse apart"
    legend = Text(formula, style="dim")
    return Group(Text(heading, style="bold"), table, *_beyond_limits(comparison), legend)


def _beyond_limits(comparison: Comparison) -> list[Text]:
    """Say of each reward whose policies exceed limits of the task which, the winner's in red."""
    return [
        Text(
            f"! {_REWARDS.get(name, name)} exceeds limits: {beyond}",
            style="red" if name == "found" else "dim",
        )
        for name, score in comparison.scores.items()
        if (beyond := exceeded(score))
    ]


def robustness_table(found: Robustness) -> RenderableType:
    """One row for the model as it is, for the worlds of each perturbation, and for all of these."""
    count = found.settings.trainings
    table = _table()
    table.add_column("world", no_wrap=True)
    _add_numbers(table, "nominal", "robustified", "difference")
    tested = {curve.name: curve.levels for curve in found.tests["nominal"].curves}
    for row in found.rows:
        cells = []
        for kind in ("nominal", "robustified"):
            values = row.fitness[kind]
            mean = sum(values) / count
            cells.append(_estimate(mean, *interval(np.array(values))))
        gap, low, high = row.difference
        ahead = "bold green" if low > 0.0 else "red" if high < 0.0 else ""
        cells.append(_estimate(gap, low, high))
        table.add_row(_worlds(row.name, tested.get(row.name, ())), *cells, style=ahead)
    settings = found.settings
    heading = (
        f"Fitness of {found.candidate}: {count} training{'s' if count > 1 else ''} of "
        f"{settings.steps:,} steps each, continued for {settings.more:,}; {settings.episodes} "
        "held-out episodes in each world"
    )
    legend = (
        "nominal: continued in the model as it is\n"
        f"robustified: continued with {found.ranges.words}, as chosen by {found.author}\n"
        "brackets: 95% over trainings; of the difference, over pairs that continue the same"
    )
    return Group(Text(heading, style="bold"), table, Text(legend, style="dim"))


def _estimate(mean: float, low: float, high: float) -> str:
    return f"{short_number(mean)} {_between(low, high)}".rstrip()


_GROUPS = {
    "nominal": "the model as it is",
    "inside": "worlds within the bounds",
    "outside": "worlds beyond them",
    "all": "all perturbed worlds",
}


def _worlds(name: str, levels: Sequence[Level]) -> str:
    if name in _GROUPS:
        return _GROUPS[name]
    return f"{name} {levels[0].value:g} to {levels[-1].value:g}"


# Up to which distance two rewards are called what; 0.01 is what weights changed by 1% make.
_MEANINGS = (
    (0.01, "want the same"),
    (0.35, "want much the same"),  # a correlation of 0.75
    (0.6, "have something in common"),
    (0.8, "have little to do with each other"),
    (1.0, "work against each other"),
)


def distances_table(
    names: tuple[str, str],
    task: str,
    found: Likeness,
    *,
    texts: str,
    origin: str,
    dynamics: float,
) -> RenderableType:
    """How two rewards compare: one row for each distance, and what to make of them.

    Args:
      names: of the rewards.
      task: that they are for.
      found: their comparison.
      texts: how their texts compare.
      origin: on which steps they were compared.
      dynamics: of the sample, how well DARD's steps were predicted.
    """
    table = _table()
    table.add_column("", no_wrap=True)
    _add_numbers(table, "distance", "95% of steps")
    table.add_column("the rewards", no_wrap=True)
    for name, one in (("EPIC", found.epic), ("DARD", found.dard), ("STARC", found.starc)):
        interval = escape(f"[{one.low:.3f}, {one.high:.3f}]")
        table.add_row(name, f"{one.value:.3f}", interval, _meaning(one))
    table.add_row("rank correlation", short_number(found.rank_correlation))
    heading = Text(f"Two rewards of {task}, on {origin}\n", style="bold")
    rewards = Text(f" A  {names[0]}\n B  {names[1]}\n\nTexts: {texts}.")
    shaped = "{:.0%} of A's variance and {:.0%} of B's".format(*found.shaping)
    legend = (
        "0 wants the same, 0.71 is unrelated, 1 the opposite. Scale, constants and potential\n"
        "shaping do not count, though training feels them; the rank correlation is of the rewards\n"
        f"as they are. Shaping is {shaped}: the nearer to 100%, as of\n"
        "a speed, the smaller the rest that the distances compare.\n"
        f"DARD's predicted steps explain {dynamics:.0%} of how states change."
    )
    return Group(heading, rewards, table, Text(legend, style="dim"))


def _meaning(distance: Distance) -> str:
    if math.isnan(distance.value):
        return "are not finite on enough steps"
    if distance.constant:
        return "want nothing" if distance.constant == 2 else "differ: one of them wants nothing"
    return next(words for limit, words in _MEANINGS if distance.value <= limit)


def short_number(value: float) -> str:
    """Return a number as short as it is useful; ``"-"`` for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{2 if abs(value) >= 1 else 3}f}"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _add_numbers(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)


def _score_cells(score: Score) -> tuple[str, str, str]:
    """Fitness, its interval, success; brackets are escaped, for rich reads them as markup."""
    between = _between(score.low, score.high)
    return short_number(score.fitness), between, f"{score.success:.0%}"


def _between(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return escape(f"[{short_number(low)}, {short_number(high)}]")
    return ""


def _rejection_line(candidate: Candidate) -> Text:
    """Say in one line, cut off at the console's width, where a candidate was turned down and why.

    The report has the whole reason.
    """
    rejection = candidate.rejection
    assert rejection is not None
    line = (
        f"   {candidate.id}  turned down ({rejection.stage}): {' '.join(rejection.reason.split())}"
    )
    return Text(line, style="red", no_wrap=True, overflow="ellipsis")
