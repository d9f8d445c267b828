"""How a worker process ended that should have answered."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from reward_synth.errors import TrainingError

# What the name of a signal does not say.
_HINTS = {
    "SIGKILL": ", as the system does when memory runs out",
    "SIGBUS": ", as on a full disk or a broken memory module",
}


class FailureKind(StrEnum):
    """What the process did instead of answering."""

    HUNG = "hung"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A worker process that hung or crashed.

    Attributes:
      kind: which of the two.
      cause: what tells one failure from another: a signal's name, an exception's, "exit 3";
        for a process that hung, "silence".
      words: what happened, to follow "it", such as "crashed: Segmentation fault (SIGSEGV)".
      during: the method that was called; "" if the process did not get as far as that.
      log: the file that the process wrote its warnings and its end to.
    """

    kind: FailureKind
    cause: str
    words: str
    during: str
    log: str

    def like(self, other: Failure) -> bool:
        """Whether both failed in the same way."""
        return (self.kind, self.cause) == (other.kind, other.cause)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``from_json`` inverts it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Failure:
        """Rebuild a failure from ``to_json``'s dictionary."""
        return cls(**{**data, "kind": FailureKind(data["kind"])})

    @classmethod
    def silent(cls, stall_s: float, during: str, log: Path) -> Failure:
        """A process that gave no sign of life for ``stall_s`` seconds."""
        words = f"hung: no sign of life for {stall_s:g} s"
        return cls(FailureKind.HUNG, "silence", words, during, str(log))

    @classmethod
    def raised(cls, error: str, text: str, during: str, log: Path) -> Failure:
        """A process that met an exception of the class ``error`` which no part of it expects."""
        words = f"crashed: {error}" + (f" ({text})" if text else "")
        return cls(FailureKind.CRASHED, error, words, during, str(log))

    @classmethod
    def ended(cls, code: int, during: str, log: Path) -> Failure:
        """A process that was gone; ``code`` is as ``subprocess.Popen.returncode``."""
        if code >= 0:
            cause = f"exit {code}"
            return cls(
                FailureKind.CRASHED, cause, f"crashed: it ended with {cause}", during, str(log)
            )
        try:
            cause = signal.Signals(-code).name
        except ValueError:  # a real-time signal
            cause = f"signal {-code}"
        meaning = signal.strsignal(-code) or "a signal"
        words = f"crashed: {meaning} ({cause}{_HINTS.get(cause, '')})"
        return cls(FailureKind.CRASHED, cause, words, during, str(log))


class WorkerError(TrainingError):
    """The process that trains hung or crashed.

    Attributes:
      failure: how.
    """

    def __init__(self, failure: Failure) -> None:
        where = f"in {failure.during!r}" if failure.during else "while starting"
        super().__init__(
            f"the training process {failure.words}, {where}; its log is {failure.log}."
        )
        self.failure = failure
