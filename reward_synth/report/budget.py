"""What the search took, as it went on, and what it had found by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from reward_synth.report.run import Incumbent, Run
from reward_synth.report.words import compact, count, dollars
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
      found: what the search stood by after each finished generation.
    """

    purposes: tuple[str, ...]
    minutes: np.ndarray
    steps: np.ndarray
    tokens: np.ndarray
    dollars: np.ndarray
    step_shares: dict[str, np.ndarray]
    second_shares: dict[str, np.ndarray]
    found: tuple[Incumbent, ...]


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
        found=tuple(incumbent for incumbent in run.incumbents if incumbent.estimate),
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


def spending(line: Timeline) -> Markup:
    """Draw it against environment steps and against minutes."""
    with mpl.rc_context(STYLE):
        heights = {"found": 1.5, "shares": 1.2, "tokens": 0.8}
        if not line.found:
            del heights["found"]
        if not line.tokens[-1]:
            del heights["tokens"]
        figure = Figure((WIDTH, 1.4 * sum(heights.values()) + 0.9), layout="constrained")
        axes = figure.subplots(
            len(heights),
            2,
            sharex="col",
            sharey="row",
            height_ratios=list(heights.values()),
            squeeze=False,
        )
        rows = dict(zip(heights, axes, strict=True))
        for column, (across, shares, found_at) in enumerate(
            (
                (line.steps, line.step_shares, [one.env_steps for one in line.found]),
                (line.minutes, line.second_shares, [one.seconds / 60 for one in line.found]),
            )
        ):
            if "found" in rows:
                _best(rows["found"][column], found_at, line.found, across[-1])
            _shares(rows["shares"][column], across, shares, line.purposes)
            if "tokens" in rows:
                rows["tokens"][column].step(across, line.tokens, where="post", color=INK)
                rows["tokens"][column].yaxis.set_major_locator(MaxNLocator(3))
            ticks_in_short(axes[-1][column])
        _titles(rows, line)
        axes[-1][0].set_xlabel("environment steps")
        axes[-1][1].set_xlabel("minutes")
        _legend(figure, rows["shares"], line.purposes)
        return svg(figure, "What the search took and what it had found, over steps and minutes")


def _titles(rows: Mapping[str, Sequence[Axes]], line: Timeline) -> None:
    for name, words in (("found", "best so far"), ("shares", "share"), ("tokens", "tokens")):
        if name in rows:
            rows[name][0].set_ylabel(words)
    rows["shares"][0].set_title("environment steps by purpose")
    rows["shares"][1].set_title("time by purpose")
    if "tokens" in rows:
        paid = f", {dollars(line.dollars[-1])} in all" if line.dollars[-1] else ""
        rows["tokens"][0].set_title(f"language models, {count(line.tokens[-1])} tokens{paid}")
        rows["tokens"][0].yaxis.set_major_formatter(lambda value, _: compact(value))


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


def _best(axis: Axes, places: Sequence[float], found: Sequence[Incumbent], last: float) -> None:
    """Draw the estimate of what the search stood by, and its interval, from each place on."""
    known = [incumbent.estimate for incumbent in found if incumbent.estimate]
    ends = [*places, max(last, *places)]
    mean, low, high = (
        [*values, values[-1]]
        for values in zip(*((e.mean, e.low, e.high) for e in known), strict=True)
    )
    axis.fill_between(ends, low, high, step="post", color=FOUND, alpha=0.15, linewidth=0)
    axis.step(ends, mean, where="post", color=FOUND, linewidth=2)
    axis.plot(places, mean[:-1], "o", color=FOUND, markersize=3.5)


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
