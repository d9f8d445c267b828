"""Which of many proposals are trained: rather those that go with what is recorded. Imports JAX.

A proposal takes a moment, or some cents; a training takes minutes. A reward can be judged
before that, on steps of which the fitness is known: of random actions, and of the policies that
the run has trained. The judgement is Pearson's correlation between the two over these steps,

    corr(r(s, a, s'), f(s, a, s')),

which neither the reward's scale nor a constant in it changes. It is the trajectory preference
evaluation of Sun et al. (2024), "A Large Language Model-Driven Reward Design Framework via
Dynamic Feedback" (CARD), made a rank order of steps that needs no success and is there before
anything was trained: correlation over stretches or whole episodes, ranks, and kernels over the
distance to known rewards tell no more (docs/log.md).

What it does not see: terms that help a policy to learn without going with fitness, as a bonus
for approaching what is to be pushed; what a reward pays where nobody has been yet; whether a
policy would end an episode early for it. It tells bad from good, not good from best: the fitness
itself would be judged best, and is no good reward. So it gives no order, but odds, five to one
at the most (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reward_synth.records import Rejection, Stage
from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions, measure
from reward_synth.rollout.episodes import step_fitness
from reward_synth.search.candidate import Candidate
from reward_synth.search.screening import Screening
from reward_synth.search.seeds import derive_seed

_DOUBT = 0.25  # as much as a judgement counts what it does not see


def preselect(
    screening: Screening,
    candidates: Sequence[Candidate],
    earlier: Sequence[Candidate],
    places: int,
) -> list[Candidate]:
    """Judge a generation's proposals and pass over all but ``places`` of them.

    Audited rejects of the screens take places too: as many of them stay as if no more had been
    proposed than can be trained. The same run decides the same, whenever it is continued.

    Args:
      screening: of the run, which has screened the candidates.
      candidates: of the generation; those that were turned down stay as they are.
      earlier: of all generations before.
      places: how many can be trained.
    """
    if sum(c.trains for c in candidates) <= places:
        return list(candidates)
    seed = derive_seed(screening.config.seed, "preselect", candidates[0].generation)
    rng = np.random.default_rng(seed)
    steps, fitness = recorded(screening, earlier, rng)
    done = []
    for candidate in candidates:
        reward = screening.reward(candidate)
        if candidate.rejection is None and isinstance(reward, Reward):
            judged = accord(measure(reward, steps)[0], fitness)
            candidate = replace(candidate, judgement=judged)
        elif candidate.audited and rng.random() >= places / len(candidates):
            candidate = replace(candidate, audited=False)
        done.append(candidate)
    audited = sum(c.audited for c in done)
    rivals = [k for k, c in enumerate(done) if c.judgement is not None]
    taken = choose([done[k].judgement or 0.0 for k in rivals], places - audited, rng)
    for place, k in enumerate(rivals):
        if place not in taken:
            reason = (
                "others were trained in its place; its reward goes with the fitness of recorded "
                f"steps with {done[k].judgement:.2f}."
            )
            done[k] = done[k].rejected(Rejection(Stage.CHOICE, reason))
    return done


def recorded(
    screening: Screening, earlier: Sequence[Candidate], rng: np.random.Generator
) -> tuple[Transitions, np.ndarray]:
    """Return steps to judge by, n of them, and the fitness of each, (n,).

    Half are of random actions and half of trained policies, of each as many, once there are any.
    """
    explored = screening.explored()
    parts, fitness = [explored], [step_fitness(screening.task, explored)]
    scored = [c for c in earlier if c.score is not None]
    for candidate in scored:
        rollouts = screening.rollouts(candidate)
        steps = rollouts.transitions
        drawn = rng.permutation(len(steps))[: len(explored) // len(scored)]
        parts.append(steps.take(drawn))
        fitness.append(rollouts.step_fitness[drawn])
    return Transitions.join(parts), np.concatenate(fitness)


def accord(values: np.ndarray, fitness: np.ndarray) -> float:
    """Return Pearson's correlation of a reward with the fitness of n steps, (n,) each.

    0 where one of them does not vary, or is not finite: nothing is known then.
    """
    both = np.stack([values, fitness]).astype(float)
    if not np.isfinite(both).all():
        return 0.0
    both -= both.mean(1, keepdims=True)
    size = float(np.prod(np.linalg.norm(both, axis=1)))
    return float(both[0] @ both[1]) / size if size > 0.0 else 0.0


def choose(judgements: Sequence[float], places: int, rng: np.random.Generator) -> set[int]:
    """Draw who is taken, by number, each at most once.

    The chances of each draw are in proportion to ``_DOUBT`` plus the judgement, if that is above
    nil.

    Args:
      judgements: of each.
      places: how many are taken, if there are so many.
      rng: of the draw.
    """
    if not judgements:
        return set()
    odds = _DOUBT + np.maximum(np.array(judgements, float), 0.0)
    count = min(max(places, 0), len(odds))
    return set(rng.choice(len(odds), count, replace=False, p=odds / odds.sum()).tolist())
