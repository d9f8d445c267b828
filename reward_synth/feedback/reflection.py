"""What a training showed, in words and small tables, for whoever writes the next reward.

Per-term curves after Ma et al. (2024), "Eureka", section 3.3; share and
correlation tell apart a term that leads from one that only rides along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from reward_synth.feedback.scores import Score

_POINTS = 10
_LOW_EXPLAINED_VARIANCE = 0.2
_HIGH_KL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of one trained candidate.

    Attributes:
      terms: names of the reward terms.
      curve: training progress, one ``train.population.Progress`` a line, as JSON has it.
      score: on held-out episodes.
      episode_fitness: (E,) of these episodes.
      episode_return: (E,) their sums of rewards.
      episode_terms: (E, T) their sums of each term.
      ends: how they ended: cause to count.
      episode_steps: steps of a full episode.
    """

    terms: tuple[str, ...]
    curve: Sequence[Mapping[str, Any]]
    score: Score
    episode_fitness: np.ndarray
    episode_return: np.ndarray
    episode_terms: np.ndarray
    ends: Mapping[str, int]
    episode_steps: int


def reflect(evidence: Evidence, *, blind: bool = False) -> str:
    """Return the reflection as Markdown without headings above level 2.

    Args:
      evidence: what is known.
      blind: whether to tell only what watching a training shows: the terms, how long episodes
        are and how they end, and nothing that comes from the task's fitness or success.
    """
    if blind:
        return "\n\n".join([_curves(evidence, blind=True), _watched(evidence)])
    return "\n\n".join(
        [
            _curves(evidence),
            _outcome(evidence),
            "Findings:\n\n" + "\n".join(f"- {finding}" for finding in findings(evidence)),
        ]
    )


def findings(evidence: Evidence) -> list[str]:
    """Return what stands out, most telling first, each a sentence."""
    found = [*_about_terms(evidence), *_about_episodes(evidence), *_about_training(evidence)]
    return found or ["Nothing stands out: every term moves and training was healthy."]


def _curves(evidence: Evidence, *, blind: bool = False) -> str:
    curve = evidence.curve
    rows = [("episode length (steps)", [line["length"] for line in curve], "", "")]
    if not blind:
        rows.insert(0, ("fitness of the task", [line["fitness"] for line in curve], "", ""))
    fitness = _numbers([line["fitness"] for line in curve])
    shares = _shares(evidence)
    for i, term in enumerate(evidence.terms):
        values = [line["terms"][term] for line in curve]
        correlation = _correlation(_numbers(values), fitness)
        rows.append((f"term {term}", values, f"{shares[i]:.0%}", correlation))
    correlated = (
        "" if blind else " Correlation: Spearman's, of the term with the fitness over training."
    )
    lines = [
        f"Means over training, start to end ({_POINTS} snapshots; terms per step). Share: of the "
        f"sum of all terms' absolute values in the final policy's episodes.{correlated}",
        "",
        "| | snapshots | share |" + ("" if blind else " correlation |"),
        "|---|---|---|" + ("" if blind else "---|"),
    ]
    for name, values, share, correlation in rows:
        shown = ", ".join(_short(value) for value in snapshots(_numbers(values)))
        lines.append(f"| {name} | {shown} | {share} |" + ("" if blind else f" {correlation} |"))
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
        f"{evidence.episode_steps} steps; episodes ended {_ends(evidence)}."
    )


def _ends(evidence: Evidence) -> str:
    return ", ".join(f"{number} by {cause}" for cause, number in evidence.ends.items() if number)


def _outcome(evidence: Evidence) -> str:
    score, count = evidence.score, len(evidence.episode_fitness)
    spread = np.percentile(evidence.episode_fitness, [0, 50, 100])
    return (
        f"The final policy, without exploration noise, on {count} held-out episodes: fitness "
        f"{_short(score.fitness)} (worst {_short(spread[0])}, median {_short(spread[1])}, best "
        f"{_short(spread[2])}), success {score.success:.0%}, {score.length:.0f} of "
        f"{evidence.episode_steps} steps; episodes ended {_ends(evidence)}."
    )


def _about_terms(evidence: Evidence) -> list[str]:
    found = []
    shares = _shares(evidence)
    for i, term in enumerate(evidence.terms):
        values = _numbers([line["terms"][term] for line in evidence.curve])
        scale = np.abs(values).max(initial=0.0)
        if scale == 0.0:
            found.append(f"Term {term!r} was zero throughout: nothing ever reached it.")
        elif np.ptp(values) < 0.02 * scale:
            found.append(
                f"Term {term!r} moved by less than 2% over training: it is saturated or out of the "
                "policy's reach, and teaches nothing."
            )
        if shares[i] > 0.9 and len(evidence.terms) > 1:
            found.append(
                f"Term {term!r} is {shares[i]:.0%} of the reward's size: the others hardly count."
            )
    returns = _numbers([line["episode_return"] for line in evidence.curve])
    fitness = _numbers([line["fitness"] for line in evidence.curve])
    both = np.isfinite(returns) & np.isfinite(fitness)
    if both.sum() >= 5 and np.ptp(returns[both]) > 0 and np.ptp(fitness[both]) > 0:
        rank = _rank_correlation(returns[both], fitness[both])
        if rank < 0:
            found.append(
                f"The return rose while the fitness fell (rank correlation {rank:.2f}): the policy "
                "earns this reward by something other than the task."
            )
    return found


def _about_episodes(evidence: Evidence) -> list[str]:
    found = []
    lengths = _numbers([line["length"] for line in evidence.curve])
    lengths = lengths[np.isfinite(lengths)]
    ended_early = evidence.ends.get("terminated", 0)
    if ended_early == len(evidence.episode_fitness):
        found.append(
            f"Every held-out episode was terminated early, after {evidence.score.length:.0f} of "
            f"{evidence.episode_steps} steps on average."
        )
    if len(lengths) >= 4 and lengths[-1] < 0.7 * lengths.max():
        found.append("Episodes got shorter towards the end of training: ending them early pays.")
    if evidence.ends.get("diverged", 0):
        found.append(
            "The simulation diverged: the policy found motions that physics cannot follow."
        )
    if float(np.mean(evidence.episode_return)) < 0 and ended_early:
        found.append("The return is negative and episodes end early: surviving costs, dying pays.")
    return found


def _about_training(evidence: Evidence) -> list[str]:
    found = []
    tail = evidence.curve[-max(1, len(evidence.curve) // 5) :]
    explained = float(np.mean([line["explained_variance"] or 0.0 for line in tail]))
    kl = float(np.mean([line["kl"] or 0.0 for line in tail]))
    if explained < _LOW_EXPLAINED_VARIANCE:
        found.append(
            f"The value function explains only {max(explained, 0.0):.0%} of the return: rewards "
            "are noisy, rare or depend on what the policy cannot see."
        )
    if kl > _HIGH_KL:
        found.append(f"Updates were large (KL {kl:.2f}): the reward's scale changes abruptly.")
    return found


def _shares(evidence: Evidence) -> np.ndarray:
    sizes = np.abs(evidence.episode_terms).mean(0)
    total = sizes.sum()
    return sizes / total if total > 0 else np.zeros_like(sizes)


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
