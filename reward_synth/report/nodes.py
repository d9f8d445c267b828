"""The nodes of the family tree: named where there is room, with signs where there is not."""

# ruff: noqa: RUF001 (the multiplication sign is meant)

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from reward_synth.feedback.estimates import Estimate
from reward_synth.report.marks import Fate, cut_at, fate
from reward_synth.report.words import number
from reward_synth.search.candidate import Candidate

LARGE = 88, 52  # pixels
SMALL = 18, 18

_CARD = "M6 0h76q6 0 6 6v40q0 6-6 6h-76q-6 0-6-6v-40q0-6 6-6z"
_DISC = "M0 9a9 9 0 1 0 18 0a9 9 0 1 0-18 0z"
_DIAMOND = "M9-2l11 11l-11 11l-11-11z"
_BOX = "M2 2h14v14h-14z"


@dataclass(frozen=True, slots=True)
class Look:
    """What a node shows.

    Attributes:
      fate: of the candidate.
      colour: its lineage's.
      shade: 0 to 1, the fuller the fitter; None if it was not scored.
      cut_at: the rung at which it was left behind, 0 if it was not.
      trainings: behind its score.
      audited, wildcard: see ``Candidate``.
      is_best: whether the search stands by it.
    """

    fate: Fate
    colour: int
    shade: float | None = None
    cut_at: int = 0
    trainings: int = 0
    audited: bool = False
    wildcard: bool = False
    is_best: bool = False

    @property
    def classes(self) -> str:
        """The CSS classes of a node."""
        extras = {"best": self.is_best, "audited": self.audited, "wildcard": self.wildcard}
        return " ".join(["node", self.fate, f"l{self.colour}", *(e for e in extras if extras[e])])

    @property
    def remarks(self) -> list[str]:
        """What there is to say beside the fate."""
        extras = {
            f"{self.trainings} trainings": self.trainings > 1,
            "audited": self.audited,
            "wildcard": self.wildcard,
        }
        return [words for words, holds in extras.items() if holds]

    @property
    def extra(self) -> str:
        """The remarks, in as few words as fit on a card."""
        said = self.remarks
        if len(said) > 1 and self.trainings > 1:
            said[0] = f"{self.trainings}×"
        return ", ".join(said)


LEGEND = (
    ("scored, after 3 trainings", Look(Fate.SCORED, 0, 0.7, trainings=3)),
    ("cut at rung 1", Look(Fate.CUT, 0, cut_at=1)),
    ("turned down", Look(Fate.REJECTED, 0)),
    ("duplicate", Look(Fate.DUPLICATE, 0)),
    ("not trained yet", Look(Fate.WAITING, 0)),
    ("wildcard", Look(Fate.SCORED, 0, 0.7, wildcard=True)),
    ("audited", Look(Fate.SCORED, 0, 0.2, audited=True)),
    ("the best", Look(Fate.SCORED, 0, 1.0, is_best=True)),
)


def look(candidate: Candidate, colour: int, shade: float | None, best: str) -> Look:
    """Return what a candidate's node shows."""
    return Look(
        fate(candidate),
        colour,
        shade,
        cut_at(candidate),
        len(candidate.score.trainings) if candidate.score else 0,
        candidate.audited,
        candidate.wildcard,
        candidate.id == best,
    )


def outcome(candidate: Candidate, estimate: Estimate | None) -> str:
    """Say in two or three words what became of a candidate; of its fitness, the estimate."""
    if candidate.score is not None:
        return number(estimate.mean if estimate else None)
    became = fate(candidate)
    if became is Fate.REJECTED and candidate.rejection is not None:
        return f"no: {candidate.rejection.stage.value}"
    return {Fate.CUT: f"cut at rung {cut_at(candidate)}", Fate.DUPLICATE: "duplicate"}.get(
        became, "not trained"
    )


def card(look: Look, name: str, outcome: str) -> Markup:
    """Return the drawing of a node with its name, its upper left corner at the origin."""
    return _shape(look, _CARD, 0.08, 0.4, (3, 3, 82, 46, 4)) + Markup(
        '<text x="44" y="17">{}</text><text class="below" x="44" y="32">{}</text>'
        '<text class="extra" x="44" y="45">{}</text>'
    ).format(name, outcome, look.extra)


def sign(look: Look) -> Markup:
    """Return the drawing of a small node: a disc if scored, a diamond for wildcards, else a box."""
    scored = look.fate is Fate.SCORED
    shape = _DIAMOND if look.wildcard else _DISC if scored else _BOX
    drawn = _shape(look, shape, 0.08, 0.85, (4, 4, 10, 10, 5))
    if scored:
        runs = look.trainings if look.trainings > 1 else ""
        return drawn + Markup('<text class="runs" x="20" y="3">{}</text>').format(runs)
    letter = {Fate.CUT: look.cut_at, Fate.REJECTED: "×", Fate.DUPLICATE: "="}.get(look.fate, "")
    return drawn + Markup('<text class="sign" x="9" y="13">{}</text>').format(letter)


def _shape(
    look: Look, outline: str, least: float, most: float, ring: tuple[int, int, int, int, int]
) -> Markup:
    """Return an outline, filled by fitness, and a ring in it if the candidate was audited."""
    parts = [Markup('<path class="ground" d="{}"/>').format(outline)]
    if look.shade is not None:
        opacity = f"{least + most * look.shade:.2f}"
        parts.append(Markup('<path class="fill" opacity="{}" d="{}"/>').format(opacity, outline))
    if look.audited:
        parts.append(
            Markup('<rect class="ring" x="{}" y="{}" width="{}" height="{}" rx="{}"/>').format(
                *ring
            )
        )
    return Markup("").join(parts)
