"""The language models that a run asks. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reward_synth.propose.llm.cache import CachedModel
from reward_synth.propose.llm.select import choose
from reward_synth.search.budget import Budget
from reward_synth.search.config import RunConfig
from reward_synth.search.store import Store


def models_of(
    config: RunConfig, environment: Mapping[str, str], budget: Budget, store: Store
) -> tuple[list[CachedModel], str]:
    """Return a run's models, none where it proposes offline, and a line that says which.

    Their answers are kept in the run's folder, where those of an earlier sitting are.

    Raises:
      ModelError: the settings name no model that can be asked.
    """
    answers = store.folder / "answers"
    choice = choose(
        config.llm.kind,
        environment,
        overrides=config.llm.overrides,
        models=config.llm.models,
        folder=Path(config.llm.folder) if config.llm.folder else None,
        start=len(list(answers.glob("*.json"))),
        before_request=budget.before_request,
    )
    return [CachedModel(model, answers) for model in choice.models], choice.notice
