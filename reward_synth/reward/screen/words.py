"""How findings say numbers."""

from __future__ import annotations


def number(value: float) -> str:
    """Return three significant digits."""
    return f"{float(value):.3g}"
