"""What an answer costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import genai_prices

from reward_synth.propose.llm.settings import ModelSettings

_MOST_TOKENS = 10**12  # more would be no answer's, and in the end none that SQLite holds


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answer, as the server counted them.

    Attributes:
      prompt: tokens read, ``cached`` ones included.
      completion: tokens written, reasoning included.
      cached: tokens read from the server's prompt cache, which are cheaper.
    """

    prompt: int
    completion: int
    cached: int = 0

    @classmethod
    def read(cls, data: Any) -> Usage | None:  # noqa: ANN401
        """Read a response's ``usage``; None if the server does not count."""
        if not data or not isinstance(data, dict):
            return None
        details = data.get("prompt_tokens_details") or {}
        return cls(
            prompt=_tokens(data.get("prompt_tokens")),
            completion=_tokens(data.get("completion_tokens")),
            cached=_tokens(details.get("cached_tokens")),
        )


def _tokens(value: Any) -> int:  # noqa: ANN401
    """Read a number of tokens; one that cannot be is a ``ValueError``."""
    count = int(value or 0)
    if not 0 <= count <= _MOST_TOKENS:
        raise ValueError(f"{count} tokens.")
    return count


def dollars(settings: ModelSettings, served_model: str, usage: Usage | None) -> float | None:
    """Return the price of one answer in dollars, None if it is not known.

    Args:
      settings: the user's own price, if set, is believed first.
      served_model: the model as the server named it; ``settings.model`` is tried after it.
      usage: None if the server does not count tokens.
    """
    price = settings.dollars_per_million
    if price == (0.0, 0.0):
        return 0.0
    if usage is None:
        return None
    if price is not None:
        return (price[0] * usage.prompt + price[1] * usage.completion) / 1e6
    counted = genai_prices.Usage(
        input_tokens=usage.prompt,
        output_tokens=usage.completion,
        cache_read_tokens=usage.cached,
    )
    for model in (served_model, settings.model):
        try:
            found = genai_prices.calc_price(counted, model, provider_api_url=settings.base_url)
        except (LookupError, ValueError):  # unknown model; counts that do not add up
            continue
        return float(found.total_price)
    return None
