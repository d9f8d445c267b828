"""What an answer costs."""

from __future__ import annotations

import genai_prices
from openai.types import CompletionUsage

from reward_synth.propose.llm.settings import ModelSettings


def dollars(
    settings: ModelSettings, served_model: str, usage: CompletionUsage | None
) -> float | None:
    """Return the price of one answer in dollars, None if it is not known.

    Args:
      settings: the user's own price, if set, is believed first.
      served_model: the model as the server named it; ``settings.model`` is tried after it.
      usage: the tokens that the server counted, None if it does not count.
    """
    if settings.dollars_per_million == (0.0, 0.0):
        return 0.0
    if usage is None:
        return None
    if settings.dollars_per_million is not None:
        price_in, price_out = settings.dollars_per_million
        return (price_in * usage.prompt_tokens + price_out * usage.completion_tokens) / 1e6
    details = usage.prompt_tokens_details
    counted = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        # Cached input is cheaper, and every candidate of a generation shares a prefix.
        cache_read_tokens=(details.cached_tokens if details else None) or 0,
    )
    for model in (served_model, settings.model):
        try:
            price = genai_prices.calc_price(counted, model, provider_api_url=settings.base_url)
        except LookupError:
            continue
        return float(price.total_price)
    return None
