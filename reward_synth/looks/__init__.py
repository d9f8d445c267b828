"""A reward from pixels: how much pictures of a robot look like a sentence.

Rocamonde et al. (2023), "Vision-Language Models are Zero-Shot Reward Models for Reinforcement
Learning", arXiv:2310.12921. ``score`` is their arithmetic, ``encoders`` what puts pictures and
sentences into one space, ``scorer`` draws and scores in a process of its own, ``steps`` says
which steps are looked at. Here and in ``config`` nothing heavy is imported.
"""

from reward_synth.looks.config import LooksConfig

__all__ = ["LooksConfig"]
