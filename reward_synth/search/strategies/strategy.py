"""What a search strategy decides."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from reward_synth.feedback.annotations import Question
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
    """A strategy that decides by the answers to questions of its own."""

    def question(self, archive: Archive) -> Question | None:
        """Return what must be answered before it decides on an archive; None if nothing.

        Asked again with the answer in ``archive.said``, it says what comes next.
        """
        ...

    def due(self, archive: Archive) -> int:
        """Return how many comparisons the last generation's answers come down to, in all."""
        ...
