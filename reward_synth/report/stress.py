"""The plot of stress tests: fitness and success against each perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reward_synth.deploy.stress import NAMES, Level, Stress
from reward_synth.randomisation import NOMINAL
from reward_synth.report.canvas import EXPERT, FOUND, RULE, SPARSE, STYLE, WIDTH, picture

_COLORS = (FOUND, EXPERT, SPARSE)
_MARKERS = ("o", "D", "s")
_ROWS = (("fitness", "low", "high"), ("success", "success_low", "success_high"))


def stress_plot(tests: Mapping[str, Stress]) -> str:
    """Return an SVG file: a column for each perturbation, a line with its 95% band for each policy.

    Args:
      tests: at most three, by the policy's name; of the same task, levels and seed.
    """
    first = next(iter(tests.values()))
    succeeded = any(x.success > 0 for s in tests.values() for c in s.curves for x in c.levels)
    rows = _ROWS[: 1 + succeeded]
    columns = max(1, len(first.curves))
    with mpl.rc_context(STYLE):
        figure = Figure((WIDTH, 2.0 * len(rows) + 0.6), layout="constrained")
        axes = figure.subplots(len(rows), columns, sharex="col", sharey="row", squeeze=False)
        for row, (what, low, high) in enumerate(rows):
            axes[row, 0].set_ylabel(what)
            for column, curve in enumerate(first.curves):
                axis = axes[row, column]
                axis.axvline(NOMINAL[curve.name], color=RULE, linewidth=1.0)
                for place, test in enumerate(tests.values()):
                    (mine,) = (c for c in test.curves if c.name == curve.name)
                    _line(axis, mine.levels, (what, low, high), place)
                if not row:
                    axis.set_title(NAMES[curve.name][0], size=9.5)
                if row == len(rows) - 1:
                    axis.set_xlabel(NAMES[curve.name][1], size=8.5)
                axis.tick_params(labelsize=8.5)
        if succeeded:
            axes[1, 0].set_ylim(-0.04, 1.04)
            axes[1, 0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        if len(tests) > 1:
            handles = axes[0, 0].get_lines()[1:]
            figure.legend(
                handles, list(tests), loc="outside lower center", ncols=3, frameon=False, fontsize=9
            )
        return picture(figure, f"Fitness and success of {first.task} against each perturbation")


def _line(axis: Axes, levels: Sequence[Level], names: tuple[str, str, str], place: int) -> None:
    values = [level.value for level in levels]
    what, low, high = ([getattr(level, name) for level in levels] for name in names)
    color = _COLORS[place]
    axis.plot(values, what, color=color, marker=_MARKERS[place], markersize=3.5)
    axis.fill_between(values, low, high, color=color, alpha=0.16, linewidth=0)
