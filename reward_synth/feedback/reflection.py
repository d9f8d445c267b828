"""What a training showed, in words and small tables, for whoever writes the next reward.

Per-term curves after Ma et al. (2024), "Eureka", section 3.3; share and correlation tell apart a
term that leads from one that only rides along, limits one that teaches from one that is through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from reward_synth.feedback.contrast import Contrast
from reward_synth.feedback.evidence import Evidence
from reward_synth.feedback.scores import exceeded

_POINTS = 10
_MOST_TERMS = 12
_MOST_FINDINGS = 6
_STUCK = 0.8  # share of steps near a limit from which on a term teaches nothing
_LOW_EXPLAINED_VARIANCE = 0.2
_HIGH_KL = 0.05
_GAPS = " A dash: no episode ended then."
_ENDS = {
    "terminated": "ended early",
    "time limit": "lasted to the time limit",
    "diverged": "broke the simulation",
}


def reflect(evidence: Evidence, *, blind: bool = False) -> str:
    """Return the reflection as Markdown without headings above level 2.

    What comes before the first heading, curves and outcome, is what Eureka shows.

    Args:
      evidence: what is known.
      blind: whether to tell only what watching a training shows: the terms, how long episodes
        are and how they end, and nothing that comes from the task's fitness or success.
    """
    if blind:
        return "\n\n".join([_curves(evidence, blind=True), _watched(evidence)])
    parts = [_curves(evidence), _outcome(evidence)]
    if evidence.contrast is not None and evidence.contrast.differences:
        parts.append(_apart(evidence.contrast))
    if evidence.ending is not None and evidence.ending.differences:
        parts.append(_end(evidence.ending))
    listed = "\n".join(f"- {finding}" for finding in findings(evidence)[:_MOST_FINDINGS])
    return "\n\n".join([*parts, f"## Findings\n\n{listed}"])


def findings(evidence: Evidence) -> list[str]:
    """Return what stands out, most telling first, each a sentence."""
    found = [
        *_about_return(evidence),
        *_about_episodes(evidence),
        *_about_terms(evidence),
        *_about_training(evidence),
    ]
    return found or ["Nothing stands out: every term moves and training was healthy."]


def _curves(evidence: Evidence, *, blind: bool = False) -> str:
    curve = evidence.curve
    rows = [("episode length (steps)", [line["length"] for line in curve], "", "", "")]
    if not blind:
        rows.insert(0, ("fitness of the task", [line["fitness"] for line in curve], "", "", ""))
    fitness = _numbers([line["fitness"] for line in curve])
    shares = _shares(evidence)
    shown = sorted(range(len(shares)), key=lambda i: -shares[i])[:_MOST_TERMS]
    for i in sorted(shown):
        values = [line["terms"][evidence.terms[i]] for line in curve]
        correlation = _correlation(_numbers(values), fitness)
        limit = _limit(evidence.at_limit[i])
        rows.append((f"term {evidence.terms[i]}", values, f"{shares[i]:.0%}", limit, correlation))
    correlated = (
        "" if blind else " Correlation: Spearman's, of the term with the fitness over training."
    )
    lines = [
        f"Means over training, start to end, in {_POINTS} parts; terms per step. Share: of the "
        "sum of all terms' absolute values, at limit: steps near the term's lowest or highest "
        f"value, both in the final policy's episodes.{correlated}"
        f"{_GAPS if any(np.isnan(fitness)) else ''}",
        "",
        "| | over training | share | at limit |" + ("" if blind else " correlation |"),
        "|---|---|---|---|" + ("" if blind else "---|"),
    ]
    for name, values, *rest in rows:
        parts = [_short(value) for value in snapshots(_numbers(values))]
        course = ", ".join(parts) if len(set(parts)) > 1 else f"{parts[0]} throughout"
        lines.append(f"| {' | '.join([name, course, *rest[: 2 if blind else 3]])} |")
    if len(shown) < len(shares):
        lines += ["", f"{len(shares) - len(shown)} smaller terms are left out here."]
    return "\n".join(lines)


def snapshots(values: np.ndarray) -> np.ndarray:
    """Return means over ``_POINTS`` equal parts of a curve, NaN where a part has no number."""
    parts = np.array_split(values, min(_POINTS, max(1, len(values))))
    return np.array(
        [part[np.isfinite(part)].mean() if np.isfinite(part).any() else np.nan for part in parts]
    )


def _watched(evidence: Evidence) -> str:
    return (
        "The final policy, without exploration noise, on "
        f"{len(evidence.episode_fitness)} held-out episodes: {evidence.score.length:.0f} of "
        f"{evidence.description.episode_steps} steps; {_ends(evidence)}."
    )


def _ends(evidence: Evidence) -> str:
    return ", ".join(
        f"{number} {_ENDS[cause]}" for cause, number in evidence.ends.items() if number
    )


def _outcome(evidence: Evidence) -> str:
    score, count = evidence.score, len(evidence.episode_fitness)
    worst, median, best = np.percentile(evidence.episode_fitness, [0, 50, 100])
    return (
        f"The final policy, without exploration noise, on {count} held-out episodes: fitness "
        f"{_short(float(evidence.episode_fitness.mean()))} (worst {_short(worst)}, median "
        f"{_short(median)}, best {_short(best)}), success {score.success:.0%}, "
        f"{score.length:.0f} of {evidence.description.episode_steps} steps; {_ends(evidence)}."
        + (f" It exceeds the robot's limits: {beyond}." if (beyond := exceeded(score)) else "")
    )


def _apart(contrast: Contrast) -> str:
    return "\n".join(
        [
            "## What bad episodes have in common",
            "",
            f"Means over {contrast.bad} of these episodes, against {contrast.good}. This goes with "
            "how well they went; it need not be the cause.",
            "",
            *_lines(contrast),
        ]
    )


def _end(ending: Contrast) -> str:
    return "\n".join(
        [
            "## What happens before an episode ends early",
            "",
            "Means over the last tenth of the steps, against those before.",
            "",
            *_lines(ending),
        ]
    )


def _lines(contrast: Contrast) -> Iterator[str]:
    for d in contrast.differences:
        least = 0.01 * max(abs(d.bad), abs(d.good))
        bad, good = (_rounded(value if abs(value) > least else 0.0) for value in (d.bad, d.good))
        yield f"- {d.quantity}: {bad}, against {good} {d.unit}".rstrip()


def _about_return(evidence: Evidence) -> Iterator[str]:
    returns = _numbers([line["episode_return"] for line in evidence.curve])
    fitness = _numbers([line["fitness"] for line in evidence.curve])
    both = np.isfinite(returns) & np.isfinite(fitness)
    if both.sum() >= 5 and np.ptp(returns[both]) > 0 and np.ptp(fitness[both]) > 0:
        rank = _rank_correlation(returns[both], fitness[both])
        if rank < 0:
            yield (
                f"The return rose while the fitness fell (rank correlation {rank:.2f}): the policy "
                "earns this reward by something other than the task."
            )


def _about_terms(evidence: Evidence) -> Iterator[str]:
    shares, ends = _shares(evidence), evidence.description.terminates
    for i, term in enumerate(evidence.terms):
        values = _numbers([line["terms"][term] for line in evidence.curve])
        scale = np.abs(values).max(initial=0.0)
        if scale == 0.0:
            yield f"Term {term!r} was zero throughout: nothing ever reached it."
        elif np.ptp(values) < 0.02 * scale and evidence.at_limit[i].min() == 1.0:
            pays = "pays for going on, and for nothing else" if ends else "teaches nothing"
            yield f"Term {term!r} is much the same in every step: it {pays}."
        elif np.ptp(values) < 0.02 * scale:
            yield (
                f"Term {term!r} moved by less than 2% over training: it is saturated or out of the "
                "policy's reach, and teaches nothing."
            )
        else:
            yield from _about_limit(term, evidence.term_range[i], evidence.at_limit[i])
        if shares[i] > 0.9 and len(evidence.terms) > 1:
            yield f"Term {term!r} is {shares[i]:.0%} of the reward's size: the others hardly count."


def _about_limit(term: str, ends: np.ndarray, shares: np.ndarray) -> Iterator[str]:
    """Say what it means that a term that did move is stuck; a penalty may well be near zero."""
    (low, high), (at_low, at_high) = ends, shares
    if at_low == at_high == 1.0:
        yield f"Term {term!r} is much the same in all of the final policy's steps: it is saturated."
    elif at_high >= _STUCK and high > 0:
        yield (
            f"Term {term!r} is at its highest in {at_high:.0%} of the final policy's steps: there "
            "is nothing more to gain by it."
        )
    elif at_low >= _STUCK and low >= 0:
        yield f"Term {term!r} is at its lowest in {at_low:.0%} of steps: it is rarely earned."
    elif at_low >= _STUCK:
        yield (
            f"Term {term!r} costs the most it can in {at_low:.0%} of steps: nothing that the "
            "policy does lessens it."
        )


def _about_episodes(evidence: Evidence) -> Iterator[str]:
    lengths = _numbers([line["length"] for line in evidence.curve])
    lengths = lengths[np.isfinite(lengths)]
    ended_early = evidence.ends.get("terminated", 0)
    if float(np.mean(evidence.episode_return)) < 0 and ended_early:
        yield "The return is negative and episodes end early: surviving costs, dying pays."
    if len(lengths) >= 4 and lengths[-1] < 0.7 * lengths.max():
        yield "Episodes got shorter towards the end of training: ending them early pays."
    if ended_early == len(evidence.episode_fitness):
        yield (
            f"Every held-out episode was terminated early, after {evidence.score.length:.0f} of "
            f"{evidence.description.episode_steps} steps on average."
        )
    trained = snapshots(_numbers([line["fitness"] for line in evidence.curve]))[-1]
    shown = float(evidence.episode_fitness.mean())
    if trained - shown > 0.5 * max(abs(trained), abs(shown)):
        yield (
            f"Without exploration noise the policy does far worse ({_short(shown)}) than it did in "
            f"training ({_short(trained)}): what it does hangs on chance."
        )
    if evidence.ends.get("diverged", 0):
        yield "The simulation diverged: the policy found motions that physics cannot follow."


def _about_training(evidence: Evidence) -> Iterator[str]:
    tail = evidence.curve[-max(1, len(evidence.curve) // 5) :]
    explained = float(np.mean([line["explained_variance"] or 0.0 for line in tail]))
    kl = float(np.mean([line["kl"] or 0.0 for line in tail]))
    if explained < _LOW_EXPLAINED_VARIANCE:
        yield (
            f"The value function explains only {max(explained, 0.0):.0%} of the return: rewards "
            "are noisy, rare or depend on what the policy cannot see."
        )
    if kl > _HIGH_KL:
        yield f"Updates were large (KL {kl:.2f}): the reward's scale changes abruptly."


def _shares(evidence: Evidence) -> np.ndarray:
    sizes = np.abs(evidence.episode_terms).mean(0)
    total = sizes.sum()
    return sizes / total if total > 0 else np.zeros_like(sizes)


def _limit(shares: np.ndarray) -> str:
    low, high = shares
    if low == high == 1.0:
        return "constant"
    if max(low, high) < 0.5:
        return "-"
    return f"{high:.0%} high" if high >= low else f"{low:.0%} low"


def _correlation(values: np.ndarray, fitness: np.ndarray) -> str:
    both = np.isfinite(values) & np.isfinite(fitness)
    if both.sum() < 5 or np.ptp(values[both]) == 0 or np.ptp(fitness[both]) == 0:
        return "-"
    return f"{_rank_correlation(values[both], fitness[both]):+.2f}"


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, which is Pearson's of the ranks."""
    return float(np.corrcoef(stats.rankdata(one), stats.rankdata(other))[0, 1])


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def _short(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{value:.3g}"


def _rounded(value: float) -> str:
    """Two digits: enough to see what is different, too few to read a threshold from."""
    return f"{float(f'{value:.2g}') + 0.0:g}"
