"""Which of many proposals are trained: none that goes badly with what is recorded. Imports JAX.

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
itself would be judged best, and is no good reward. So it turns away what is judged less than half
as well as another, and leaves the rest to chance (docs/log.md); where nothing goes with the
fitness, as before anything was pushed, it says nothing. Some places are given by lot whatever the
judgement; those show what it is worth.
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

_BAR = 0.5  # share of the best judgement below which a proposal is passed over
_SILENT = 0.1  # where the best is judged no better than this, nothing is known


def preselect(
    screening: Screening,
    candidates: Sequence[Candidate],
    earlier: Sequence[Candidate],
    places: int,
) -> list[Candidate]:
    """Judge a generation's proposals and pass over all but ``places`` of them.

    A place is given by lot as often as the screens are audited (``search.audit``). Of their
    audited rejects, which take places too, as many stay as if no more had been proposed than can
    be trained. The same run decides the same, whenever it is continued.

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
    judgements = [done[k].judgement or 0.0 for k in rivals]
    bar = bar_of(judgements)
    taken = choose(judgements, max(0, places - audited), screening.config.search.audit, rng)
    for place, k in enumerate(rivals):
        if place in taken:
            done[k] = replace(done[k], by_lot=taken[place])
        else:
            done[k] = done[k].rejected(Rejection(Stage.CHOICE, _words(judgements[place], bar)))
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


def choose(
    judgements: Sequence[float], places: int, lots: float, rng: np.random.Generator
) -> dict[int, bool]:
    """Return who is taken, by number, and whether by lot whatever the judgement.

    The others are drawn from those above the bar; if these are too few, the best of the rest join.

    Args:
      judgements: of each.
      places: how many are taken, if there are so many.
      lots: the chance of each place to be given by lot.
      rng: of all that is drawn.
    """
    by_lot = min(int(rng.binomial(places, lots)), len(judgements))
    order = rng.permutation(len(judgements))
    drawn, rest = order[:by_lot], order[by_lot:]
    bar = bar_of(judgements)
    # Stable: who is above the bar keeps the order of the draw.
    best = sorted(rest, key=lambda k: -min(judgements[k], bar))[: places - by_lot]
    return {int(k): True for k in drawn} | {int(k): False for k in best}


def bar_of(judgements: Sequence[float]) -> float:
    """Return the judgement from which a proposal is as good as any; -1 where nothing is known."""
    best = max(judgements, default=0.0)
    return _BAR * best if best > _SILENT else -1.0


def _words(judgement: float, bar: float) -> str:
    found = f"its reward goes with the fitness of recorded steps with {judgement:.2f}"
    if judgement >= bar:
        return f"{found}, well enough, but by lot others were trained in its place."
    return f"{found}; others with {bar:.2f} and more were trained in its place."
