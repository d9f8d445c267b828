"""Seeds of everything random in a run, from the run's one seed."""

from __future__ import annotations

import zlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed in [0, 2**32) for a purpose, such as ``(0, "train", "g01c03")``.

    Different purposes get independent streams; the same purpose always the same.
    """
    words = [p if isinstance(p, int) else zlib.crc32(p.encode()) for p in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])
