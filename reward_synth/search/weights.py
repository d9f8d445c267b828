"""Numbers in WEIGHTS, searched without a proposer: an evolution strategy on their logarithms.

Where somebody has said which policies are better, the first to be tried are those under which the
reward says the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate
from reward_synth.search.changes import structure

Weights = tuple[tuple[str, float], ...]

_STEP = 1.0  # standard deviation of a logarithm at first: a factor of e either way
_SMALLEST_STEP = 0.3
_SHRINKS = 0.88  # what is left of the step four trials later
_SELECTED = 0.3  # share of the trials that are recombined
_FEWEST = 5  # trials before there is anything to recombine
_NEIGHBOURHOOD = 0.6  # trials that are so far apart, in logarithms, tell of each other
_PULL = 0.5  # trials that the mean of all counts as, wherever one looks
_SAME = 0.01  # logarithms that are so close are the same number, to three digits
_RANGE = (1e-30, 1e30)  # programs compute in float32


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Weights that were tried.

    Attributes:
      logs: (d,) logarithms of their sizes.
      value: what came of it, higher is better.
      trainings: behind the value.
    """

    logs: np.ndarray
    value: float
    trainings: int = 1


def next_weights(
    archive: Archive, parent: Candidate, count: int, rng: np.random.Generator
) -> tuple[Weights, ...]:
    """Draw ``count`` times weights for the parent's program, from what was tried with it.

    If there is a fit to preferences (``Archive.fits``) that was not tried, the first is that one.
    What was tried is every scored candidate whose program differs from the parent's in its
    numbers alone. Signs stay, zeros too. Weights are run-time inputs: a generation of them is
    one training job and nothing is compiled again.

    Returns:
      A table for each draw; none at all where no number can matter.
    """
    assert parent.program is not None
    table = parent.program.weights
    varied = [name for name, value in table if value]
    start = _logs(parent, varied)
    neutral = _neutral(parent, varied)
    if len(varied) <= int(neutral.any()):
        return ()
    kin = _kin(parent)
    trials = [
        Trial(_logs(c, varied), archive.estimates[c.id].mean, archive.estimates[c.id].trainings)
        for c in archive.scored
        if _kin(c) == kin
    ]
    drawn = list(draw(trials, start, neutral, count, rng))
    fit = archive.fits.get(parent.id)
    if fit is not None:
        told = dict(zip((name for name, _ in table), fit, strict=True))
        wanted = np.log([abs(told[name]) for name in varied])
        tried = [_logs(c, varied) for c in archive.candidates if c.program and _kin(c) == kin]
        if not any(np.allclose(wanted, logs, atol=_SAME) for logs in tried):
            drawn[0] = wanted
    return tuple(_table(table, dict(zip(varied, logs, strict=True))) for logs in drawn)


def draw(
    trials: Sequence[Trial],
    start: np.ndarray,
    neutral: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (count, d) logarithms to try next, in pairs that mirror each other.

    A (mu/mu_w, lambda) evolution strategy (Hansen & Ostermeier 2001) with mirrored samples
    (Brockhoff et al. 2010), changed for trials that are dear, few and noisy: parents are
    selected from all that was tried and not from the last generation; they are ranked by their
    value averaged with their neighbours', since the best of many noisy values is a lucky one;
    the step follows a schedule, as so few trials cannot teach a covariance.

    Args:
      trials: what was tried, in any order.
      start: (d,) the logarithms to set out from.
      neutral: (d,) the direction along which nothing changes, which is not searched; zeros if
        there is none.
      count: how many to draw.
      rng: of the draws.
    """
    length = float(np.linalg.norm(neutral)) or 1.0
    across = np.eye(len(start)) - np.outer(neutral, neutral) / length**2
    steps = rng.standard_normal(((count + 1) // 2, len(start)))
    mirrored = np.stack([steps, -steps], axis=1).reshape(-1, len(start))[:count]
    size = max(_SMALLEST_STEP, _STEP * _SHRINKS ** (max(0, len(trials) - 1) / 4))
    centre = np.zeros(len(start))
    if len(trials) >= _FEWEST:
        centre = _recombined(trials, np.array([t.logs - start for t in trials]) @ across)
    return start + centre + size * mirrored @ across


def _recombined(trials: Sequence[Trial], places: np.ndarray) -> np.ndarray:
    """Return the mean of the best places, (n, d) -> (d,), better ones for more."""
    values = np.array([trial.value for trial in trials])
    counts = np.array([trial.trainings for trial in trials])
    squares = ((places[:, None] - places) ** 2).sum(-1)
    near = counts * np.exp(-0.5 * squares / _NEIGHBOURHOOD**2)
    smooth = (near @ values + _PULL * values.mean()) / (near.sum(1) + _PULL)
    best = np.argsort(-smooth, kind="stable")[: math.ceil(_SELECTED * len(trials))]
    shares = math.log(len(best) + 0.5) - np.log(np.arange(1, len(best) + 1))
    return shares / shares.sum() @ places[best]


def _neutral(candidate: Candidate, names: Sequence[str]) -> np.ndarray:
    """Return the direction along which a program's weights change its reward's scale alone.

    PPO divides that out. By the form that programs are asked for, a weight that is named as a
    term multiplies it; others may set how sharp one is. Where a term has no weight of its
    name, the scale is of no known direction.
    """
    assert candidate.program is not None
    if not set(candidate.terms) <= {name for name, _ in candidate.program.weights}:
        return np.zeros(len(names))
    return np.array([name in candidate.terms for name in names], float)


def _kin(candidate: Candidate) -> tuple[object, ...]:
    """Return what two programs share that differ in the sizes of their WEIGHTS alone."""
    program = candidate.program
    assert program is not None
    signs = sorted((name, float(np.sign(value))) for name, value in program.weights)
    return structure(program.source), *signs


def _logs(candidate: Candidate, names: Sequence[str]) -> np.ndarray:
    assert candidate.program is not None
    weights = dict(candidate.program.weights)
    return np.log([min(max(abs(weights[name]), _RANGE[0]), _RANGE[1]) for name in names])


def _table(table: Weights, logs: dict[str, float]) -> Weights:
    """Return the table with new sizes, to three digits."""
    low, high = np.log(_RANGE)
    sizes = {name: math.exp(min(max(value, low), high)) for name, value in logs.items()}
    return tuple(
        (name, float(f"{math.copysign(sizes[name], old):.3g}") if name in sizes else old)
        for name, old in table
    )
