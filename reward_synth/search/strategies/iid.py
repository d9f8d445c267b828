"""Independent samples: the baseline that published searches often only match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings


@dataclass(frozen=True, slots=True)
class Iid:
    """No feedback at all: every candidate is written from the task alone."""

    blind: ClassVar[bool] = False

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        return (Brief(Operator.INITIAL),) * settings.candidates

    def best(self, archive: Archive) -> Candidate | None:
        """Return the highest held-out fitness; see ``Strategy.best``."""
        return archive.fittest
