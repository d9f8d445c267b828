"""From ``llm=...`` and the environment to a language model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.propose.llm.records import LanguageModel
from reward_synth.propose.llm.settings import OPENAI, OPENAI_URL, PRESETS, ModelSettings

CHOICES = ("auto", *PRESETS, "replay", "offline")


@dataclass(frozen=True, slots=True)
class Choice:
    """Language models, or the decision to do without one.

    Attributes:
      models: none stands for the offline proposer.
      notice: one line that tells the user what was chosen and why.
    """

    models: tuple[LanguageModel, ...]
    notice: str


def choose(
    llm: str,
    env: Mapping[str, str],
    *,
    overrides: Mapping[str, Any] | None = None,
    models: Sequence[str] = (),
    folder: Path | None = None,
    start: int = 0,
    before_request: Callable[[], None] | None = None,
) -> Choice:
    """Return the language models that ``llm`` and ``models`` name.

    Args:
      llm: "auto", a preset ("openai", "vllm", "ollama"), "replay" or "offline". "auto" is
        "openai" if OPENAI_API_KEY or OPENAI_BASE_URL is set, else "offline".
      env: the environment variables, for keys and OPENAI_BASE_URL.
      overrides: fields of ``ModelSettings`` that the user set.
      models: several models of one server, in the place of the override ``model``; they share
        its ``concurrency``.
      folder: the recorded answers, for "replay".
      start: recorded answers to skip, for "replay".
      before_request: see ``OpenAIModel``.

    Raises:
      ConfigError: ``llm`` or an override is unknown.
      ModelError: the choice cannot work as it is set up.
    """
    if llm not in CHOICES:
        raise ConfigError(
            f"llm={llm!r} is unknown.{did_you_mean(llm, CHOICES)} Choose from {', '.join(CHOICES)}."
        )
    why = ""
    if llm == "auto":
        found = [name for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL") if env.get(name)]
        llm, why = ("openai", f" ({found[0]} is set)") if found else ("offline", "")
        if not found:
            why = " (no OPENAI_API_KEY or OPENAI_BASE_URL; llm=ollama or llm=vllm need no key)"
    if llm == "offline":
        return Choice((), f"Proposing offline, without a language model{why}.")
    if llm == "replay":
        return _replay(folder, start)
    settings = resolve(PRESETS[llm], env, overrides or {})
    # Imported here because it takes a second, and offline runs need none of it.
    from reward_synth.propose.llm.openai import OpenAIModel

    key = env.get(settings.key_variable, "").strip() if settings.key_variable else ""
    names = tuple(models) or (settings.model,)
    share = max(1, settings.concurrency // len(names))
    asked = tuple(
        OpenAIModel(
            dataclasses.replace(settings, model=name, concurrency=share), key, before_request
        )
        for name in names
    )
    who = " and ".join(names)
    return Choice(asked, f"Proposing with {who} at {settings.base_url}{why}.")


def resolve(
    preset: ModelSettings, env: Mapping[str, str], overrides: Mapping[str, Any]
) -> ModelSettings:
    """Return the preset with the environment's server and the user's overrides put in.

    An override wins over OPENAI_BASE_URL, which wins over OpenAI's own address. Only the openai
    preset reads it: vllm and ollama are local unless ``base_url`` says otherwise, and no key of
    OpenAI's is sent to them.
    """
    known = [field.name for field in dataclasses.fields(ModelSettings)]
    for name in overrides:
        if name not in known:
            raise ConfigError(
                f"llm.{name} is unknown.{did_you_mean(name, known)} Settings: {', '.join(known)}."
            )
    values = dict(overrides)
    if preset.name == OPENAI.name:
        url = env.get("OPENAI_BASE_URL", "").strip()
        if url:
            values.setdefault("base_url", url)
        if values.get("base_url", OPENAI_URL).rstrip("/") != OPENAI_URL:
            # Another server: it has other models, and it may want no key.
            values.setdefault("model", "")
            if not env.get(OPENAI.key_variable):
                values.setdefault("key_variable", "")
    return dataclasses.replace(preset, **values)


def _replay(folder: Path | None, start: int) -> Choice:
    from reward_synth.propose.llm.replay import ReplayModel

    if folder is None:
        raise ConfigError("llm=replay needs llm.folder: a folder of answers (000.md, ...).")
    return Choice((ReplayModel(folder, start),), f"Replaying recorded answers from {folder}.")
