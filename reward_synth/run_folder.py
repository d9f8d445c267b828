"""By what a run folder is known. Imports nothing, so that commands may ask before all else."""

from __future__ import annotations

from pathlib import Path

from reward_synth.errors import RunError

DATABASE = "run.db"


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (folder / DATABASE).is_file()


def check_run(folder: Path) -> None:
    """Refuse a folder that is not a run's.

    Raises:
      RunError: it is not.
    """
    if not is_run(folder):
        raise RunError(f"{folder} is not a run folder: it has no {DATABASE}.")
