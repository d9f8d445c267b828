"""Weights under which rewards agree with what was preferred. Imports JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reward_synth.feedback.annotations import Annotation, comparisons
from reward_synth.feedback.fit import Judgement, fit_weights
from reward_synth.reward.rewards import Reward
from reward_synth.rollout.episodes import Rollouts
from reward_synth.rollout.segments import Segments, strewn

_STEPS = 100  # of each episode; more say the same


def fitted(
    rewards: Mapping[str, Reward],
    rollouts: Mapping[str, Rollouts],
    said: Sequence[Annotation],
) -> dict[str, list[float]]:
    """Return weights that foresee answers better than a reward's own do, where there are such.

    Whoever compares two policies has seen an episode of each; a reward that is paid there by the
    mean step is held to what was said of them, whichever rewards the policies were trained on.

    Args:
      rewards: to be fitted, by candidate.
      rollouts: of what it was said of, by candidate.
      said: what holds of it.

    Returns:
      Of each reward whose fit is to be believed (``Fit.believed``), its weights, in its order.
    """
    places = {id: place for place, id in enumerate(rollouts)}
    answers = [
        Judgement(places[one.first], places[one.second], one.verdict) for one in comparisons(said)
    ]
    if not answers:
        return {}
    segments = Segments.join([strewn(r, r.typical, _STEPS) for r in rollouts.values()])
    fits = {id: fit_weights(reward, segments, answers) for id, reward in rewards.items()}
    return {id: list(fit.weights) for id, fit in fits.items() if fit.believed}
