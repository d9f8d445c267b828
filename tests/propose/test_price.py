import pytest

from reward_synth.propose.llm.price import Usage, dollars
from reward_synth.propose.llm.settings import OPENAI, ModelSettings


def test_price_of_a_known_model():
    settings = ModelSettings(model="gpt-4o")
    assert dollars(settings, "gpt-4o-2024-08-06", Usage(1_000_000, 0)) == pytest.approx(2.5)
    assert dollars(settings, "renamed", Usage(1_000_000, 0)) == pytest.approx(2.5)
    assert dollars(settings, "gpt-4o", Usage(0, 1_000_000)) == pytest.approx(10.0)
    half_cached = Usage(1_000_000, 0, cached=500_000)
    assert dollars(settings, "gpt-4o", half_cached) == pytest.approx(1.875)
    # A price must not lose an answer, whatever the server counts.
    assert dollars(settings, "gpt-4o", Usage(10, 0, cached=20)) is None


def test_every_answer_of_the_default_model_has_a_price():
    assert dollars(OPENAI, OPENAI.model, Usage(1000, 1000))


def test_unknown_price_is_none_not_zero(server, model, ask):
    (answer,) = ask(model())
    assert answer.dollars is None
    assert (answer.prompt_tokens, answer.completion_tokens) == (10, 5)


def test_own_price(server, model, ask):
    (answer,) = ask(model(dollars_per_million=(2.0, 8.0)))
    assert answer.dollars == pytest.approx(60e-6)


def test_server_that_does_not_count(server, model, ask):
    server.plays(server.answers(usage=None))
    (unpriced,) = ask(model(dollars_per_million=(2.0, 8.0)))
    (local,) = ask(model(dollars_per_million=(0.0, 0.0)))
    assert (unpriced.prompt_tokens, unpriced.dollars) == (0, None)
    assert local.dollars == 0.0


@pytest.mark.parametrize("usage", [None, {}, "many", {"prompt_tokens": None}])
def test_odd_counts_are_no_reason_to_lose_an_answer(usage):
    assert Usage.read(usage) in (None, Usage(0, 0))
