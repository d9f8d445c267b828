"""Search strategies: each says what the next generation is to be, and which candidate is best."""

from __future__ import annotations

from collections.abc import Mapping

from reward_synth.search.strategies.eureka import Eureka
from reward_synth.search.strategies.evolve import Evolve
from reward_synth.search.strategies.icpl import Icpl
from reward_synth.search.strategies.iid import Iid
from reward_synth.search.strategies.sequential import Sequential
from reward_synth.search.strategies.strategy import Strategy
from reward_synth.search.strategies.text2reward import Text2Reward

STRATEGIES: Mapping[str, Strategy] = {
    "evolve": Evolve(),
    "eureka": Eureka(elitist=False),
    "eureka_elitist": Eureka(elitist=True),
    "iid": Iid(),
    "sequential": Sequential(),
    "icpl": Icpl(),
    "text2reward": Text2Reward(shots=1),
    "text2reward_zero_shot": Text2Reward(shots=0),
}
