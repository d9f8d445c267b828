"""Text2Reward (Xie et al. 2024), section 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_synth.propose.operators import Manner, Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.briefing import unscored_parent
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings


@dataclass(frozen=True, slots=True)
class Text2Reward:
    """One program a round, from the task and similar ones; then mended by what people say of it.

    Its preset has one candidate a generation. No number decides anything: each round takes up
    the last program that could be trained, and the last one is the result, since a person who
    is content stops. Where nobody says anything, the model is given what watching the training
    shows: the terms, how long episodes are and how they end.

    Attributes:
      shots: examples of similar tasks that the model is shown; 0 for the paper's zero-shot.
    """

    shots: int
    blind: ClassVar[bool] = True

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        last = self.best(archive)
        brief = Brief(
            Operator.INITIAL if last is None else Operator.REVISE,
            () if last is None else (unscored_parent(last),),
            alike=True,
            manner=Manner.TEXT2REWARD,
            comment="" if last is None else archive.comment(last),
            shots=self.shots,
        )
        return (brief,) * settings.candidates

    def best(self, archive: Archive) -> Candidate | None:
        """Return the last that was trained, the first of its round; see ``Strategy.best``."""
        return next(iter(archive.scored_in(archive.last_scored)), None)
