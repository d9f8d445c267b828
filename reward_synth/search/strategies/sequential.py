"""One chain: each candidate is written from the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.briefing import parent_of
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings
from reward_synth.search.setbacks import failures


@dataclass(frozen=True, slots=True)
class Sequential:
    """Each generation improves the best of the last one, whatever it is worth.

    With one candidate a generation, the default of its preset, this is a chain of revisions.
    """

    blind: ClassVar[bool] = False

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        last = archive.fittest_of(archive.scored_in(archive.last_scored))
        if last is None:
            return (Brief(Operator.INITIAL),) * settings.candidates
        brief = Brief(
            Operator.REVISE,
            (parent_of(archive, last),),
            failures=failures(archive, last),
            comment=archive.comment(last),
        )
        return (brief,) * settings.candidates

    def best(self, archive: Archive) -> Candidate | None:
        """Return the highest held-out fitness; see ``Strategy.best``."""
        return archive.fittest
