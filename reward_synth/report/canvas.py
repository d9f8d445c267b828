"""What the report's plots share: SVG that takes its colours and its typeface from the page.

matplotlib draws with stand-in colours, which are then replaced by CSS variables:
one drawing serves light and dark. Colours are Okabe and Ito's, told apart by
people of any colour vision, and no plot depends on colour alone.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reward_synth.report.words import compact

INK, MUTED, RULE = "#010203", "#010204", "#010205"
FOUND, EXPERT, SPARSE = "#010206", "#010207", "#010208"
PAPER = "#010209"
PALETTE = tuple(f"#0103{i:02d}" for i in range(7))  # --l0 to --l6
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    FOUND: "var(--found)",
    EXPERT: "var(--expert)",
    SPARSE: "var(--sparse)",
    PAPER: "var(--paper)",
    **{color: f"var(--l{i})" for i, color in enumerate(PALETTE)},
}
STYLE: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of terms are a model's and may hold anything
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
}
# What pictures outside of a page are drawn with: the page's colours by day.
_BY_DAY = {
    "var(--ink)": "#1f2328",
    "var(--muted)": "#666d76",
    "var(--rule)": "#dcdcd6",
    "var(--found)": "#0067a8",
    "var(--expert)": "#a86400",
    "var(--sparse)": "#7a7f87",
    "var(--paper)": "#fdfdfb",
}
WIDTH = 8.6  # inches; at 72 units each the page shows it about 1:1


def label(axis: Axes, text: str, place: tuple[float, float], color: str) -> None:
    """Write a text to the right of a point."""
    axis.annotate(
        text, place, (6, 0), textcoords="offset points", color=color, va="center", weight="bold"
    )


def drawable(name: str) -> str:
    """Shorten a name that a model chose and replace what fonts lack."""
    known = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in name)
    return known if len(known) <= 24 else f"{known[:23]}…"


def svg(figure: Figure, caption: str) -> Markup:
    """Return a figure as inline SVG that a screen reader calls by its caption."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": caption}):  # ids differ between the plots of one page
        FigureCanvasSVG(figure).print_svg(file, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    text = re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", text, count=3)
    text = re.sub(r' id="[\w.]+_\d+"', "", text)  # those that nothing refers to
    opening = f'<svg class="plot" role="img" aria-label="{escape(caption)}"'
    return Markup(text.replace("<svg", opening, 1))


def picture(figure: Figure, caption: str) -> str:
    """Return a figure as an SVG file that stands alone; of ``PALETTE`` it must use nothing."""
    text = str(svg(figure, caption))
    for variable, color in _BY_DAY.items():
        text = text.replace(variable, color)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return text.replace("<svg", f"<svg {names}", 1)


def ticks_in_short(axis: Axes) -> None:
    """Write large numbers along the foot of a plot as "200k" or "3M"."""
    axis.xaxis.set_major_formatter(lambda value, _: compact(value))
