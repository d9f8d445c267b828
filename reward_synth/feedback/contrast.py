"""What a policy's bad episodes have in common: against its good ones, or against themselves before.

Only what happened is compared, never how fitness or success come about. With ten episodes and
dozens of quantities, something always looks different: a difference is told only if it holds up
against the number of quantities that were looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from reward_synth.records import Field, TaskDescription

_FEWEST = 3  # episodes in each group
_FALSE_DISCOVERIES = 0.05  # share of what is told that may be chance
_LEAST = 0.25  # of a quantity's spread over all steps; smaller differences are not worth telling
_UNLIKE = 0.1  # of the fitness; episodes that differ by less went equally well
_SUDDEN = 2.0  # standard deviations; what only drifts at a constant pace ends 1.7 from its mean
_MOST = 4  # differences
_ROUNDING = 1e-6  # relative differences that single precision makes
_LAST = 0.1  # share of an episode's steps that count as its end


@dataclass(frozen=True, slots=True)
class Difference:
    """A quantity that tells bad from good.

    Attributes:
      quantity: in words, such as "torso_tilt[0] at the end".
      unit: SI; "" if it has none.
      bad, good: its means over both.
    """

    quantity: str
    unit: str
    bad: float
    good: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two groups of a policy's episodes, or of their steps, and what tells them apart.

    Attributes:
      bad, good: which these are, such as "the 3 worst".
      differences: at most one a field, the strongest first; empty if there are none.
    """

    bad: str
    good: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Quantity:
    """One number an episode.

    Attributes:
      source: the field it is about; the strongest of a field's is told.
      words, unit: as in ``Difference``.
      values: (E,).
      scale: how much it varies from step to step.
    """

    source: str
    words: str
    unit: str
    values: np.ndarray
    scale: float


def contrast(
    description: TaskDescription,
    state: np.ndarray,
    length: np.ndarray,
    success: np.ndarray,
    fitness: np.ndarray,
) -> Contrast | None:
    """Compare failed with successful episodes; the worst third with the best where too few did.

    A difference is measured by the correlation of the quantity with the outcome over all
    episodes: with success it is the standardised difference d of the two groups, as
    d / sqrt(d^2 + 4) if they are equally large. Chance is held off as Benjamini & Hochberg (1995)
    do, "Controlling the false discovery rate".

    Args:
      description: names and units of the state's columns.
      state: (L + 1, E, S).
      length: (E,) steps of each episode.
      success: (E,) bool.
      fitness: (E,).

    Returns:
      None if there are too few episodes to compare, or all are equally good.
    """
    count = len(length)
    if min(success.sum(), count - success.sum()) >= _FEWEST:
        outcome = success.astype(float)
        bad, good = ~success, success
        names = (f"the {bad.sum()} that failed", f"the {good.sum()} that succeeded")
    elif count // 3 >= _FEWEST:
        outcome = stats.rankdata(fitness)
        third = count // 3
        order = np.argsort(fitness, kind="stable")
        bad, good = (np.isin(np.arange(count), some) for some in (order[:third], order[-third:]))
        names = (f"the {third} worst", f"the {third} best")
        worst, best = fitness[bad].mean(), fitness[good].mean()
        if best - worst <= _UNLIKE * max(abs(best), abs(worst)):
            return None
    else:
        return None
    differences: list[Difference] = []
    for quantity in _telling(list(_quantities(description, state, length)), outcome):
        one, other = (float(quantity.values[group].mean()) for group in (bad, good))
        if abs(one - other) >= _LEAST * quantity.scale:
            words, unit = quantity.words, quantity.unit
            differences.append(Difference(words, unit, one, other))
    return Contrast(*names, tuple(differences[:_MOST]))


def ending(description: TaskDescription, state: np.ndarray, length: np.ndarray) -> Contrast:
    """Compare how episodes ended with what they were like before: what was sudden about it.

    For a policy all of whose episodes go wrong in the same way, so that none of them is better.

    Args:
      description: names and units of the state's columns.
      state: (L + 1, E, S) of these episodes.
      length: (E,) steps of each.
    """
    lived, last = _steps(length)
    found: dict[str, tuple[float, Difference]] = {}
    for field, name, x in _columns(description, state, lived):
        before = _mean(x, lived & ~last).mean()
        after = _mean(x, last).mean()
        spread = float(np.sqrt(_mean((x - _mean(x, lived)) ** 2, lived).mean()))
        if spread <= _ROUNDING * np.abs(x[lived]).max():
            continue
        jump = abs(float(after - before)) / spread
        if jump >= _SUDDEN and jump > found.get(field.name, (0.0, None))[0]:
            found[field.name] = jump, Difference(name, _unit(field), float(after), float(before))
    ranked = sorted(found.values(), key=lambda pair: -pair[0])
    return Contrast("the last tenth", "before", tuple(d for _, d in ranked[:_MOST]))


def _telling(quantities: Sequence[_Quantity], outcome: np.ndarray) -> list[_Quantity]:
    """Return what goes with the outcome, the strongest first.

    Of each field that quantity which does so most, its chance multiplied by how many the field
    has (Bonferroni); over the fields, Benjamini & Hochberg.
    """
    freedom = len(outcome) - 2
    best: dict[str, tuple[_Quantity, float]] = {}
    tried: Counter[str] = Counter()
    for quantity in quantities:
        if np.ptp(quantity.values) <= _ROUNDING * np.abs(quantity.values).max():
            continue
        tried[quantity.source] += 1
        correlation = float(np.corrcoef(quantity.values, outcome)[0, 1])
        if quantity.source not in best or abs(correlation) > abs(best[quantity.source][1]):
            best[quantity.source] = quantity, correlation
    if not best:
        return []
    size = np.array([abs(correlation) for _, correlation in best.values()])
    t = size * np.sqrt(freedom / np.maximum(1 - size**2, np.finfo(float).eps))
    chance = np.minimum(1.0, 2 * stats.t.sf(t, freedom) * [tried[source] for source in best])
    told = stats.false_discovery_control(chance) <= _FALSE_DISCOVERIES
    ranked = sorted(
        (pair for pair, tell in zip(best.values(), told, strict=True) if tell),
        key=lambda pair: -abs(pair[1]),
    )
    return [quantity for quantity, _ in ranked]


def _quantities(
    description: TaskDescription, state: np.ndarray, length: np.ndarray
) -> Iterator[_Quantity]:
    """Yield what can be compared, what is said most simply first.

    How an episode ended comes before its average, and the number itself before its size, which
    is for falls to either side.
    """
    lived, last = _steps(length)
    yield _Quantity("", "length of the episode", "steps", length.astype(float), float(length.max()))
    for field, name, x in _columns(description, state, lived):
        unit, scale = _unit(field), float(x[lived].std())
        mean = _mean(x, lived)
        yield _Quantity(field.name, f"{name} at the end", unit, _mean(x, last), scale)
        yield _Quantity(field.name, f"{name} on average", unit, mean, scale)
        if x[lived].min() < 0 < x[lived].max():
            size = _mean(np.abs(x), last)
            yield _Quantity(field.name, f"|{name}| at the end", unit, size, scale)
        spread = np.sqrt(_mean((x - mean) ** 2, lived))
        words = f"how much {name} varies (standard deviation)"
        yield _Quantity(field.name, words, unit, spread, scale)


def _steps(length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which steps, (L, E), happened, and which were the last tenth of their episode."""
    step = np.arange(length.max())[:, None]
    lived = step < length
    return lived, lived & (step >= length - np.maximum(1, np.ceil(_LAST * length)))


def _columns(
    description: TaskDescription, state: np.ndarray, lived: np.ndarray
) -> Iterator[tuple[Field, str, np.ndarray]]:
    """Yield each finite column of the state after each step, (L, E), with its field and name."""
    after = np.asarray(state[1 : len(lived) + 1], float)
    column = 0
    for field in description.fields:
        for place in np.ndindex(field.shape):
            x = after[:, :, column]
            column += 1
            if np.isfinite(x[lived]).all():
                yield field, _name(description, field, place), x


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the means, (E,), of values, (L, E), over the steps in ``where``, (L, E)."""
    return np.where(where, values, 0.0).sum(0) / np.maximum(where.sum(0), 1)


def _name(description: TaskDescription, field: Field, place: tuple[int, ...]) -> str:
    """Return a component as a program would write it; actions by what they drive."""
    if field.name == "last_action" and field.shape == (description.action_size,):
        return f"action {description.actions[place[0]]!r}"
    return f"{field.name}[{', '.join(map(str, place))}]" if place else field.name


def _unit(field: Field) -> str:
    """Return the unit of each component; "" where it differs from one to the other."""
    return "" if field.unit == "1" or " and " in field.unit else field.unit
