"""The errors a user can meet; each message is one line and names the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RewardSynthError(Exception):
    """A mistake a user can mend. The CLI prints the message, not a traceback."""


class TaskError(RewardSynthError):
    """A task folder that cannot be used as it is."""


class ConfigError(RewardSynthError):
    """A setting that is unknown, misspelt or contradicts another."""


class ModelError(RewardSynthError):
    """A language model that cannot be reached or refuses what was asked of it."""


class SandboxError(RewardSynthError):
    """The sandbox lacks a layer that the user demanded, or could not be started."""


class RunError(RewardSynthError):
    """A run folder that cannot be started, continued or read."""


class TrainingError(RewardSynthError):
    """A training that hung or crashed; the run is kept and can be continued."""


class ExportError(RewardSynthError):
    """A reward that cannot be written for use elsewhere."""


class FeedbackError(RewardSynthError):
    """Somebody's answers that cannot be taken in, or a judge that cannot be asked."""


class BudgetError(RewardSynthError):
    """A budget would be passed by the next step; what was paid for is kept."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, else ``""``."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
