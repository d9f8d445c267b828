"""How a command ends: one line for what a user can mend, and always how to go on."""

from __future__ import annotations

import errno
import sqlite3
import sys
import traceback
from pathlib import Path

from reward_synth.errors import ConfigError, ModelError, RewardSynthError, TrainingError
from reward_synth.run_folder import is_run

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def explain(error: BaseException, folder: Path | None = None) -> int:
    """Say on stderr why a command ended and how to go on; return its exit code.

    Args:
      error: what ended it. One line says it, unless it is a fault of ours: then its traceback.
      folder: the run's, if there is one.
    """
    hint = resume_hint(folder)
    if isinstance(error, KeyboardInterrupt):
        _say(f"Stopped. {hint}".rstrip())
        return INTERRUPTED
    if isinstance(error, RewardSynthError):
        # A server that is down is started, a machine mended, and the run goes on; other mistakes
        # need a new run.
        then = hint if isinstance(error, ModelError | TrainingError) else ""
        _say(f"reward-synth: {' '.join(str(error).split())} {then}".rstrip())
        return 2 if isinstance(error, ConfigError) else 1
    if _is_disk_full(error):
        _say(f"reward-synth: the disk is full. Make some room. {hint}".rstrip())
        return 1
    if folder is None and isinstance(error, OSError):
        _say(f"reward-synth: {error.filename or 'the system'}: {error.strerror or error}.")
        return 1
    traceback.print_exception(error)
    _say(f"reward-synth: this should not have happened; please report it. {hint}".rstrip())
    return 1


def resume_hint(folder: Path | None) -> str:
    """Return how to continue the run in ``folder``, ``""`` if there is nothing to continue."""
    if folder is None or not is_run(folder):
        return ""
    shown = str(shorten(folder))
    quoted = f"'resume={shown}'" if any(c.isspace() for c in shown) else f"resume={shown}"
    return f"Continue with: reward-synth run {quoted}"


def shorten(path: Path) -> Path:
    """Return the path relative to the working directory if it lies below, else unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _is_disk_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
