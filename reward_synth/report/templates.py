"""How pages are filled in: the report, a bundle's card."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reward_synth.report import words

_HERE = Path(__file__).resolve().parent


def environment(*folders: Path, html: bool = True) -> Environment:
    """Return an environment of the templates here, which writes numbers as ``words`` does.

    Args:
      folders: of other templates, which go before those here.
      html: whether what is filled in is escaped.
    """
    made = Environment(
        loader=FileSystemLoader([*folders, _HERE]),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        estimate=words.estimate,
        percent=words.percent,
        count=words.count,
        duration=words.duration,
        dollars=words.dollars,
    )
    made.globals.update(plural=words.plural, between=words.between)
    return made
