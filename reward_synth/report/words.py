"""Numbers as a reader wants them."""

# ruff: noqa: RUF001 (minus signs and dashes are meant)

from __future__ import annotations

import math

from reward_synth.feedback.scores import Score


def number(value: float | None) -> str:
    """Three significant digits or so, a true minus sign, "–" for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        text = f"{value:.2e}"
    else:
        places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 or not size else 3
        text = f"{value:,.{places}f}"
    return text.replace("-", "−")


def between(low: float, high: float) -> str:
    """An interval, "" if it is not known."""
    known = math.isfinite(low) and math.isfinite(high)
    return f"[{number(low)}, {number(high)}]" if known else ""


def estimate(score: Score | None) -> str:
    """A fitness with its interval."""
    return f"{number(score.fitness)} {between(score.low, score.high)}".strip() if score else "–"


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "–" if share is None or not math.isfinite(share) else f"{100 * share:.0f}%"


def count(value: float) -> str:
    """A whole number with thin spaces between the thousands."""
    return f"{round(value):,}".replace(",", "\u2009")


def duration(seconds: float) -> str:
    """Such as "1 h 02 min", "3 min 20 s" or "4.2 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def dollars(value: float) -> str:
    """Dollars, to the hundredth of a cent when there are few."""
    return f"${value:,.2f}" if value >= 10 or not value else f"${value:.4f}"


def plural(amount: int, noun: str) -> str:
    """Such as "1 candidate" or "6 candidates"."""
    return f"{amount} {noun}{'' if amount == 1 else 's'}"


def compact(value: float) -> str:
    """A large number in a few characters, such as "950", "1.5k" or "20M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
