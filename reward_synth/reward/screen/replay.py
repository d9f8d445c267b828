"""Whether a reward would pay for an exploit that is known already."""

from __future__ import annotations

import numpy as np

from reward_synth.records import Finding
from reward_synth.reward.screen.evidence import Evidence, Paid, Payments
from reward_synth.reward.screen.exploits import Exploit, mostly_more
from reward_synth.reward.screen.words import number

_REACHED, _MISSED = 0.8, 0.2  # shares of episodes that reached the goal


def replay(evidence: Evidence, payments: Payments, *, reversed_order: bool) -> tuple[Finding, ...]:
    """Compare what is paid for each exploit with what is paid for its reference.

    An exploit counts if of nearly all pairs of episodes it is paid more both a step and
    over the episode: by the step alone a short burst wins, over the episode alone whatever
    lasts. References that are merely better than most may be passed by a third behaviour
    that this reward pays yet more, so that it is fatal only

    - if the reference reaches the goal and the exploit does not; or
    - if over all recorded episodes, too, fitter ones are paid less.

    At most one finding is made, of the exploit that is preferred most.

    Args:
      evidence: what is known.
      payments: what the reward pays for it.
      reversed_order: whether ``ordering.ranks`` found that fitter episodes are paid less.
    """
    found = [
        (fatal, excess, words)
        for exploit, paid in zip(evidence.exploits, payments.exploits, strict=True)
        for fatal, excess, words in _preferred(exploit, *paid, payments.names, reversed_order)
    ]
    if not found:
        return ()
    fatal, _, words = max(found)
    more = f" This is one of {len(found)} known exploits that it pays for." if found[1:] else ""
    return (Finding("exploit", fatal, words + more),)


def _preferred(
    exploit: Exploit,
    shown: Paid,
    reference: Paid,
    names: tuple[str, ...],
    reversed_order: bool,
) -> list[tuple[bool, float, str]]:
    """Return (fatal, how much it is preferred, words), or nothing."""
    bad, good = exploit.shown, exploit.reference
    mean, mean_good = bad.means(shown.reward), good.means(reference.reward)
    total, total_good = bad.sums(shown.reward), good.sums(reference.reward)
    if not (mostly_more(mean, mean_good) and mostly_more(total, total_good)):
        return []
    misses = bool(good.success.mean() >= _REACHED and bad.success.mean() <= _MISSED)
    excess = bad.means(shown.terms).mean(0) - good.means(reference.terms).mean(0)
    name = names[int(excess.argmax())]
    size = float(np.abs(mean).mean() + np.abs(mean_good).mean())
    gap = float(mean.mean() - mean_good.mean())
    words = (
        f"this reward pays {number(mean.mean())} a step for a known exploit and "
        f"{number(mean_good.mean())} for fitter episodes, mostly by term {name!r}. The exploit: "
        f"{exploit.words} Make {name!r} pay less than progress with the task does, or only "
        "together with it."
    )
    return [(misses or reversed_order, gap / size, words)]
