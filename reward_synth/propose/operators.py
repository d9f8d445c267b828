"""How candidates come about, and in whose manner they are asked for."""

from __future__ import annotations

from enum import StrEnum


class Operator(StrEnum):
    """How a candidate is to come about.

    INITIAL needs no parent. REVISE is Eureka's: a better program than the parent, in any way.
    The others change one thing at a time, so that what training shows can be put down to it:
    STRUCTURE its terms, SIMPLIFY leaves some out, THOUGHT goes about the task in another way.
    CROSSOVER, which takes a named term over from a second parent, and PARAMETERS, which changes
    numbers in WEIGHTS, are done on the programs' syntax and ask no model.
    """

    INITIAL = "initial"
    REVISE = "revise"
    STRUCTURE = "structure"
    CROSSOVER = "crossover"
    PARAMETERS = "parameters"
    THOUGHT = "thought"
    SIMPLIFY = "simplify"

    @property
    def needs_model(self) -> bool:
        """Whether a language model writes it, where there is one."""
        return self not in (Operator.CROSSOVER, Operator.PARAMETERS)


class Manner(StrEnum):
    """Whose words a language model is asked in: ours, or those of a baseline."""

    OURS = "ours"
    ICPL = "icpl"
    TEXT2REWARD = "text2reward"
