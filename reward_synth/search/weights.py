"""Numbers in WEIGHTS, searched without a proposer: an evolution strategy on their logarithms."""

from __future__ import annotations

import math

import numpy as np

from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate

_STEP = 0.6  # standard deviation of a logarithm, at first
_SMALLEST_STEP = 0.2


def next_weights(
    archive: Archive, parent: Candidate, rng: np.random.Generator
) -> tuple[tuple[str, float], ...]:
    """Draw weights for a structure from what was tried with it.

    A (mu/mu, lambda) evolution strategy (Beyer & Schwefel 2002, "Evolution strategies"): the
    better half of all weights that were trained with the same terms, averaged in their
    logarithms, and varied by less the more there are. Signs stay, zeros too. Weights are
    run-time inputs: a generation of them is one training job and nothing is compiled again.
    """
    assert parent.program is not None
    names = [name for name, _ in parent.program.weights]
    tried = [c for c in archive.leaders if _same_structure(c, parent)]
    better = tried[: max(1, len(tried) // 2)]
    logs = np.array(
        [
            [math.log(abs(value)) if value else 0.0 for value in _values(c, names)]
            for c in (*better, *([parent] if parent not in better else []))
        ]
    )
    step = max(_SMALLEST_STEP, _STEP / math.sqrt(len(logs)))
    drawn = np.exp(logs.mean(0) + step * rng.standard_normal(len(names)))
    return tuple(
        (name, float(f"{math.copysign(new, old) if old else 0.0:.3g}"))
        for (name, old), new in zip(parent.program.weights, drawn, strict=True)
    )


def _same_structure(one: Candidate, other: Candidate) -> bool:
    """Whether two programs differ only in the numbers of their WEIGHTS."""
    return _structure(one) == _structure(other)


def _structure(candidate: Candidate) -> tuple[object, ...]:
    program = candidate.program
    assert program is not None
    signs = tuple((name, np.sign(value)) for name, value in program.weights)
    return (*candidate.terms, *signs)


def _values(candidate: Candidate, names: list[str]) -> list[float]:
    assert candidate.program is not None
    weights = dict(candidate.program.weights)
    return [weights[name] for name in names]
