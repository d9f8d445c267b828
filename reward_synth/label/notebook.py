"""Labelling in a Jupyter notebook: videos in the output of a cell, answers in its prompt.

from reward_synth.label.notebook import label
label("outputs/hopper/2026-11-27_14-13-02-4670", who="Ada")
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from string import ascii_uppercase

from markupsafe import Markup

from reward_synth.errors import FeedbackError
from reward_synth.label.desk import Asked, Desk, named
from reward_synth.label.dialogue import Dialogue

_FIGURE = Markup(
    '<figure style="margin:0;width:min(24rem,48%)"><figcaption><b>{}</b> {}</figcaption>{}</figure>'
)
_VIDEO = Markup(
    '<video src="data:video/mp4;base64,{}" autoplay loop muted playsinline controls '
    'style="width:100%"></video>'
)


def label(run: str | os.PathLike[str], who: str | None = None) -> int:
    """Ask about a run's policies, in the output of the present cell, until "q" is typed.

    Args:
      run: a run folder.
      who: the name that answers are kept under; the user's by default.

    Returns:
      How many answers were kept.

    Raises:
      RunError: there is no run in the folder.
      FeedbackError: this is no notebook, or that is no name.
    """
    try:
        from IPython.display import HTML, display
    except ImportError as error:
        raise FeedbackError(
            "this is for notebooks, which come with IPython: elsewhere, use `reward-synth label`."
        ) from error
    name = named(who or os.environ.get("USER") or "somebody")
    desk = Desk(Path(run).expanduser())
    return Dialogue(desk, name, lambda asked: display(HTML(figures(asked))), input, print).run()


def figures(asked: Asked) -> str:
    """Return the clips of a question side by side, as HTML that needs no other file."""
    parts = []
    for letter, exhibit in zip(ascii_uppercase, asked.exhibits, strict=False):
        film = Markup("")
        if not exhibit.fault:
            film = _VIDEO.format(base64.b64encode(exhibit.path.read_bytes()).decode())
        parts.append(_FIGURE.format(letter, exhibit.fault, film))
    return Markup('<div style="display:flex;flex-wrap:wrap;gap:1rem">{}</div>').format(
        Markup("").join(parts)
    )
