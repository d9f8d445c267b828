"""``reward-synth report``: a run's page, made anew from what is in its folder."""

from __future__ import annotations

from pathlib import Path

from reward_synth.cli.outcome import shorten
from reward_synth.report.build import build_report


def write_report(folder: str) -> int:
    """Write report.html into a run folder and print where it is; the run may be going on.

    Raises:
      RunError: there is no run in the folder, or it is of another format.
      OSError: the folder cannot be written.
    """
    print(shorten(build_report(Path(folder).expanduser())))
    return 0
