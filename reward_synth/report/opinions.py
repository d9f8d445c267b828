"""Who has compared policies, and whether they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reward_synth.feedback.annotations import CHOICES, Annotation, Kind
from reward_synth.feedback.crowd import Accord, Concord, accords, concord, people_of


@dataclass(frozen=True, slots=True)
class Opinions:
    """What was said of a run's policies.

    Attributes:
      choices: how many each has made, in the order in which they first spoke.
      accords: of each model with people.
      people: the agreement among people, which no model can be asked to exceed by much.
    """

    choices: Mapping[str, int]
    accords: tuple[Accord, ...]
    people: Concord


def opinions(said: Sequence[Annotation]) -> Opinions:
    """Return what standing annotations come down to."""
    chosen = Counter(one.who for one in said if one.kind in (*CHOICES, Kind.RANKING))
    return Opinions(chosen, accords(said), concord(people_of(said)))
