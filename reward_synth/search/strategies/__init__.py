"""Search strategies: each says what the next generation is to be, and which candidate is best."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from reward_synth.errors import ConfigError, did_you_mean
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


def strategy_of(name: str) -> Strategy:
    """Return the strategy of a name, or of "module:Class", which is made without arguments.

    Raises:
      ConfigError: there is none of that name, or the class is no strategy.
    """
    if ":" in name:
        return _own(name)
    if name not in STRATEGIES:
        raise ConfigError(
            f"search.strategy is {name!r}.{did_you_mean(name, STRATEGIES)} It must be one of "
            f"{', '.join(STRATEGIES)}, or module:Class of your own."
        )
    return STRATEGIES[name]


def _own(name: str) -> Strategy:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"search.strategy={name}: there is no module {error.name}. Put the folder that it is "
            "in on PYTHONPATH."
        ) from error
    except Exception as error:  # whatever a module does while it is imported
        raise ConfigError(
            f"search.strategy={name}: {module} cannot be imported: {_line(error)}."
        ) from error
    if not isinstance(found, type):
        what = "has no class" if found is None else "has something else than a class in"
        raise ConfigError(f"search.strategy={name}: {module} {what} {attribute}.")
    lacks = [part for part in ("blind", "briefs", "best") if not hasattr(found, part)]
    if lacks:
        raise ConfigError(
            f"search.strategy={name}: {attribute} is no strategy, for it has no "
            f"{' and no '.join(lacks)}; see docs/search.md."
        )
    try:
        return found()
    except Exception as error:
        raise ConfigError(
            f"search.strategy={name}: {attribute}() fails, and a strategy is made without "
            f"arguments: {_line(error)}."
        ) from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")
