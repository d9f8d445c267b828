"""Ways to compose a reward's terms anew, chosen by ``train.transform``.

"par" and "carl" make a Reward of a Reward: its terms are still reported as they were written,
its weights still arrive at run time, and any trainer trains on it. "caps" changes with the
training, so that it is no Reward but a record beside one: see ``caps.Caps`` and
``train.population.Member``.
"""

from __future__ import annotations

import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transforms.carl import carl
from reward_synth.reward.transforms.par import par
from reward_synth.reward.transitions import Transitions

# Enough for a mean of sigmoids. They are computed anew with each batch: 0.1 ms for 2,048 steps.
_PAR_REFERENCES = 128


def transformed(reward: Reward, transform: str, references: Transitions, seed: int) -> Reward:
    """Return what is trained on in place of a reward; the reward itself for "none" and "caps".

    Args:
      reward: as it was written.
      transform: one of ``train.config.TRANSFORMS``.
      references: steps to compare with, such as ``rollout.explore``'s or a trained policy's;
        the more behaviour is in them, the more a reward's terms show of themselves.
      seed: of the choice among them.
    """
    if transform == "par":
        return par(reward, references.sample(_PAR_REFERENCES, np.random.default_rng(seed)))
    if transform == "carl":
        return carl(reward, references)
    return reward
