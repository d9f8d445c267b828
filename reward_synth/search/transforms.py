"""What is trained on for a candidate under ``train.transform``. Imports JAX."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from reward_synth.gym.resolve import program
from reward_synth.reward.rewards import Reward
from reward_synth.reward.transforms import transformed
from reward_synth.reward.transforms.caps import Caps, caps_from
from reward_synth.reward.transitions import Transitions, measure
from reward_synth.rollout.explore import explore
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.seeds import derive_seed
from reward_synth.task.task import Task
from reward_synth.train.history import METRICS, read_history
from reward_synth.train.memory import out_of_memory
from reward_synth.train.population import Member

# 2,048 steps: as many as rewards are compiled for.
_ENVS, _STEPS = 32, 64


def as_trained(reward: Reward, config: RunConfig, task: Task) -> Reward:
    """Return a found reward as the run's settings compose it; caps come with the member."""
    transform = config.train.transform
    if transform in ("none", "caps"):
        return reward
    seed = derive_seed(config.seed, "references")
    references = _references(task, seed, config.threads)
    return (
        transformed(reward, transform, references, seed) if _works(reward, references) else reward
    )


def caps_of(
    candidate: Candidate, reward: Reward, config: RunConfig, task: Task, folder: Path
) -> Caps | None:
    """Return caps on a candidate's terms that the trainings of earlier generations suggest.

    Of all of them and not only of its parents': those may have been capped themselves, and do
    not show any more what is beyond.

    Args:
      candidate: the candidate.
      reward: the candidate's.
      config: of the run.
      task: of the run.
      folder: of the run.

    Returns:
      None if no term has a proxy point, or with another transform.
    """
    if config.train.transform != "caps":
        return None
    trained = []
    for metrics in sorted(folder.glob(f"gen_*/cand_*/{METRICS}")):
        if int(metrics.parts[-3].removeprefix("gen_")) >= candidate.generation:
            continue
        curve = read_history(metrics.parent)
        if curve and set(reward.terms) & set(curve[0]["terms"]):
            trained.append((program(metrics.parent, task.description), curve))
    if not trained:
        return None
    seed = derive_seed(config.seed, "references")
    references = _references(task, seed, config.threads)
    return caps_from(reward, references, trained) if _works(reward, references) else None


def composition(member: Member) -> str:
    """Return how the terms are composed that a member trains on, "" if as they were written."""
    reward, caps = member.reward, member.caps
    return reward.composition if caps is None else caps.words(reward.terms)


def _works(reward: Reward, references: Transitions) -> bool:
    """Whether a reward can be computed; if not, training will drop it, and say so."""
    try:
        measure(reward, references)
    except Exception as error:  # a generated reward must not end the others
        if out_of_memory(error):
            raise
        return False
    return True


@lru_cache(maxsize=1)
def _references(task: Task, seed: int, threads: int) -> Transitions:
    return explore(task, seed, _ENVS, _STEPS, threads=threads)
