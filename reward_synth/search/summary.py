"""What a run has shown about its own screens and races, in a line each. Imports no JAX."""

from __future__ import annotations

from collections.abc import Sequence

from reward_synth.feedback.agreement import rung_agreement
from reward_synth.feedback.audit import false_rejects
from reward_synth.records import Stage
from reward_synth.search.candidate import Candidate, audits, finishes


def summary(candidates: Sequence[Candidate], rungs: Sequence[float]) -> list[str]:
    """Return what is known of how often screens were wrong, and rungs right.

    Args:
      candidates: of the whole run.
      rungs: see ``SearchSettings``.

    Returns:
      A line about the screens if they turned anything down, and one for each rung at which
      candidates stood whose order at the end is known.
    """
    lines = []
    screened, count = sum(c.audited or _screened(c) for c in candidates), len(candidates)
    if screened:
        lines.append(
            f"screens turned down {screened} of {count} candidates; {_audited(candidates)}"
        )
    return lines + [
        f"rung {found.rung + 1} ({rungs[found.rung]:.0%}): tau {found.tau:.2f} "
        f"[{found.low:.2f}, {found.high:.2f}] over {found.pairs} "
        f"pair{'s' if found.pairs > 1 else ''}"
        for found in rung_agreement(finishes(candidates))
        if found.pairs
    ]


def _audited(candidates: Sequence[Candidate]) -> str:
    if not any(c.audited for c in candidates):
        return "none of them was trained all the same"
    found = false_rejects(audits(candidates))
    if found.rate is None:
        return "those trained all the same have no others to be compared with"
    return (
        f"of {found.audited} trained all the same {found.wrong} did as well as the median "
        f"[{found.low:.2f}, {found.high:.2f}]"
    )


def _screened(candidate: Candidate) -> bool:
    return candidate.rejection is not None and candidate.rejection.stage is Stage.SCREEN
