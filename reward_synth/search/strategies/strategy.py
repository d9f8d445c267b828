"""What a search strategy decides."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from reward_synth.feedback.preferences import Preference
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings


class Strategy(Protocol):
    """Decides from the archive alone, so that a run that is continued decides the same.

    Attributes:
      blind: whether reflections are to leave out the task's fitness and success: nothing that
        a proposer is told, and nothing that is decided, goes by them.
    """

    blind: ClassVar[bool]

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """Return what each candidate of the next generation is to be."""
        ...

    def best(self, archive: Archive) -> Candidate | None:
        """Return the candidate that the search stands by; None if none is scored."""
        ...


@runtime_checkable
class Asking(Protocol):
    """A strategy that decides by what somebody answers."""

    def preferences(self, archive: Archive) -> tuple[Preference, ...]:
        """Return all answers that its decisions on an archive rest on, each once."""
        ...
