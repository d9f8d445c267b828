"""What the search took, as it went on, and what it had found by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reward_synth.report.canvas import (
    FOUND,
    INK,
    PALETTE,
    PAPER,
    STYLE,
    WIDTH,
    drawable,
    svg,
    ticks_in_short,
)
from reward_synth.report.run import Run
from reward_synth.report.words import count, dollars
from reward_synth.search.store import Spent

_HATCHES = ("", "///", "...", "\\\\\\", "xx", "---", "++", "oo")


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The ledger as sums, entry by entry.

    Attributes:
      purposes: in the order in which they first arose.
      minutes: (N,) at which each entry was made; time between sittings does not count.
      steps: (N,) environment steps until then.
      tokens: (N,) until then.
      dollars: (N,) until then.
      step_shares, second_shares: (N,) by purpose, of the steps and of the seconds until then;
        only purposes that took any.
      found: for each finished generation, the entry after which it was, and the best cautious
        estimate of a candidate so far, as estimates are now.
    """

    purposes: tuple[str, ...]
    minutes: np.ndarray
    steps: np.ndarray
    tokens: np.ndarray
    dollars: np.ndarray
    step_shares: dict[str, np.ndarray]
    second_shares: dict[str, np.ndarray]
    found: tuple[tuple[int, float], ...]


def timeline(run: Run) -> Timeline:
    """Add the ledger up in the order of time."""
    entries = sorted(run.expenses, key=lambda entry: entry.time)
    sums = list(accumulate((entry.spent for entry in entries), initial=Spent()))[1:]
    purposes = list(dict.fromkeys(entry.purpose for entry in run.expenses))
    steps = np.array([s.env_steps for s in sums], float)

    def shares(amounts: Sequence[float]) -> dict[str, np.ndarray]:
        total = np.cumsum(amounts)
        found = {}
        for purpose in purposes:
            mine = [a * (e.purpose == purpose) for a, e in zip(amounts, entries, strict=True)]
            if any(mine):
                found[purpose] = np.cumsum(mine) / np.where(total > 0, total, 1.0)
        return found

    return Timeline(
        purposes=tuple(purposes),
        minutes=np.array([_minutes(run, entry.time) for entry in entries]),
        steps=steps,
        tokens=np.array([s.tokens for s in sums], float),
        dollars=np.array([s.dollars for s in sums], float),
        step_shares=shares([entry.spent.env_steps for entry in entries]),
        second_shares=shares([entry.spent.seconds for entry in entries]),
        found=tuple(_found(run, [entry.time for entry in entries])),
    )


def _minutes(run: Run, time: float) -> float:
    """Return how long the run had been at work; between its sittings it was not."""
    begun = [
        (when, float(detail.get("seconds", 0.0)))
        for when, kind, detail in run.events
        if kind == "sitting" and when <= time
    ]
    since, before = begun[-1] if begun else (min(run.started or time, time), 0.0)
    return (before + time - since) / 60


def _found(run: Run, times: Sequence[float]) -> list[tuple[int, float]]:
    best, found = -np.inf, []
    for when, kind, detail in run.events:
        if kind != "generation":
            continue
        cautious = [
            run.estimates[c.id].cautious
            for c in run.candidates
            if c.generation == detail.get("number") and c.id in run.estimates
        ]
        best = max([best, *cautious])
        paid = int(np.searchsorted(times, when, side="right"))
        if paid and np.isfinite(best):
            found.append((paid - 1, best))
    return found


def spending(line: Timeline) -> Markup:
    """Draw it against environment steps and against minutes."""
    with mpl.rc_context(STYLE):
        spoken = line.tokens[-1] > 0
        heights = [1.5, 1.2, 0.8] if spoken else [1.5, 1.2]
        figure = Figure((WIDTH, 2.1 * sum(heights) / 1.5 + 0.9), layout="constrained")
        axes = figure.subplots(
            len(heights), 2, sharex="col", sharey="row", height_ratios=heights, squeeze=False
        )
        purposes = line.purposes
        for column, (across, shares) in enumerate(
            ((line.steps, line.step_shares), (line.minutes, line.second_shares))
        ):
            _best(axes[0][column], line, across)
            _shares(axes[1][column], across, shares, purposes)
            if spoken:
                axes[2][column].step(across, line.tokens, where="post", color=INK)
                axes[2][column].yaxis.set_major_locator(MaxNLocator(3))
            ticks_in_short(axes[-1][column])
        axes[0][0].set_ylabel("best so far")
        axes[1][0].set_ylabel("share")
        axes[1][0].set_title("environment steps by purpose")
        axes[1][1].set_title("time by purpose")
        if spoken:
            paid = f", {dollars(line.dollars[-1])} in all" if line.dollars[-1] else ""
            axes[2][0].set_title(f"language models, {count(line.tokens[-1])} tokens{paid}")
            axes[2][0].set_ylabel("tokens")
            axes[2][0].yaxis.set_major_formatter(axes[-1][0].xaxis.get_major_formatter())
        axes[-1][0].set_xlabel("environment steps")
        axes[-1][1].set_xlabel("minutes")
        _legend(figure, [axes[1][0], axes[1][1]], purposes)
        return svg(figure, "What the search took and what it had found, over steps and minutes")


def _legend(figure: Figure, axes: Sequence[Axes], purposes: Sequence[str]) -> None:
    """Name the areas of both panels once, in the order of the purposes."""
    areas = {}
    for axis in axes:
        areas |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    names = [name for name in dict.fromkeys(map(drawable, purposes)) if name in areas]
    if names:
        figure.legend(
            [areas[name] for name in names],
            names,
            loc="outside lower center",
            ncols=4,
            frameon=False,
            handleheight=1.4,
            handlelength=2.2,
        )


def _best(axis: Axes, line: Timeline, across: np.ndarray) -> None:
    if not line.found:
        return
    places = [across[entry] for entry, _ in line.found]
    values = [value for _, value in line.found]
    axis.step([*places, across[-1]], [*values, values[-1]], where="post", color=FOUND, linewidth=2)
    axis.plot(places, values, "o", color=FOUND, markersize=3.5)


def _shares(
    axis: Axes, across: np.ndarray, shares: dict[str, np.ndarray], purposes: Sequence[str]
) -> None:
    foot = np.zeros(len(across))
    for purpose, share in shares.items():
        place = purposes.index(purpose)
        axis.fill_between(
            across,
            foot,
            foot + share,
            facecolor=PALETTE[place % len(PALETTE)],
            edgecolor=PAPER,
            hatch=_HATCHES[place % len(_HATCHES)],
            linewidth=0.0,
            label=drawable(purpose),
        )
        foot = foot + share
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 0.5, 1], ["0", "50%", "100%"])
    axis.grid(visible=False)
