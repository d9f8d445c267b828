"""Whether a reward has been had before, by its text or by what it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from reward_synth.reward.canonical import Canonical
from reward_synth.reward.compare import angle_distance, pearson_distance, varies
from reward_synth.reward.normal_form import normal_form

# From benchmarks/duplicates.py, 16 programs of the offline proposer for hopper and half_cheetah:
# with each weight changed by 1%, 88% and 100% stay within it, changed by 10%, 12% and 53%. Of 120
# pairs of different programs none and four are within it: one has a minute penalty more, three
# differ by a cap on a speed that random actions have hardly reached.
THRESHOLD = 0.01


class Likeness(StrEnum):
    """What two rewards have in common."""

    TEXT = "text"  # the same program but for how it is written
    BEHAVIOUR = "behaviour"  # the same values, but for a positive scale


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A reward that was had before.

    Attributes:
      id: its candidate's, such as ``"g00c03"``.
      text: its program's normal form.
      form: its canonical form, on the sample of all others; None to go by the text alone.
    """

    id: str
    text: str
    form: Canonical | None = None

    @classmethod
    def of(cls, id: str, source: str, form: Canonical | None = None) -> Known:
        """Return the record of a program.

        Raises:
          ValueError: the source is not a reward program.
        """
        return cls(id, normal_form(source), form)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Which reward another one repeats.

    Attributes:
      id: the earlier one's.
      by: what they have in common.
      distance: ``identity_distance``; 0 by text.
    """

    id: str
    by: Likeness
    distance: float


def find_duplicate(
    source: str,
    form: Canonical | None,
    known: Iterable[Known],
    threshold: float = THRESHOLD,
) -> Duplicate | None:
    """Return which known reward a new one repeats: the first by text, else the nearest.

    Args:
      source: the new program.
      form: its canonical form, on the same sample as those of ``known``; None to ask by text
        only, which costs a millisecond and needs no trace.
      known: earlier rewards.
      threshold: the largest ``identity_distance`` of two that are one.

    Raises:
      ValueError: the source is not a reward program.
    """
    text, known = normal_form(source), list(known)
    for earlier in known:
        if earlier.text == text:
            return Duplicate(earlier.id, Likeness.TEXT, 0.0)
    if form is None:
        return None
    near = [
        Duplicate(earlier.id, Likeness.BEHAVIOUR, distance)
        for earlier in known
        if earlier.form is not None
        and (distance := identity_distance(form, earlier.form)) <= threshold
    ]
    return min(near, key=lambda duplicate: duplicate.distance, default=None)


def identity_distance(a: Canonical, b: Canonical) -> float:
    """Return how far two rewards are from being one and the same to train on, from 0 to 1.

    It is the larger of two: the angle between their values, which must differ by no more than a
    positive scale, and EPIC. EPIC alone would not do: rewards that differ by potential shaping
    want the same but are not learned alike (a forward speed and a forward position are one to
    it), and a constant, of which it sees nothing, decides whether falling early pays. The values
    alone would not do either: EPIC also asks far from where the steps have been, and so tells a
    speed, taken from positions, from one that is cut off where nobody has been yet. It does not
    where a program reads the velocity itself: draw the sample from steps of trained policies as
    well as soon as there are any.

    1 where one of them does not vary on the sample, as a bonus that was not earned: nothing is
    known of it.
    """
    if not all(varies(x) for form in (a, b) for x in (form.values, form.epic)):
        return 1.0
    distances = angle_distance(a.values, b.values), pearson_distance(a.epic, b.epic)
    return max((1.0 if np.isnan(distance) else distance) for distance in distances)
