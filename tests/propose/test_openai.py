"""The client against servers that behave, and mostly against those that do not."""

import asyncio
import email.utils
import logging
import socket
import time

import pytest

from reward_synth.errors import BudgetError, ModelError
from reward_synth.propose.llm.records import Completion, Failure, FailureKind


def error_of(model, ask, n=4):
    with pytest.raises(ModelError) as info:
        ask(model, n)
    message = str(info.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_answers_keep_their_places(server, model, ask):
    # Later questions are answered first: each server thread waits for its own time.
    pauses = iter([0, 0.2, 0.1, 0.05, 0, 0, 0, 0])
    server.plays(*(server.answers(pause=p) for p in pauses))
    answers = ask(model(), 8)
    assert [a.text for a in answers] == [f"question {i}" for i in range(8)]
    assert len(server.bodies) == 8
    assert all("n" not in body for body in server.bodies)


def test_sends_the_settings_and_the_key(server, model, ask):
    ask(model(temperature=0.3, max_tokens=77))
    assert server.bodies[0]["temperature"] == 0.3
    assert server.bodies[0]["max_tokens"] == 77
    assert server.keys == ["Bearer sk-secret-of-the-tests"]


def test_none_leaves_a_parameter_to_the_server(server, model, ask):
    ask(model(temperature=None, max_tokens=None))
    assert set(server.bodies[0]) == {"messages", "model"}


def test_concurrency_is_limited_but_used(server, model, ask):
    server.plays(server.answers(pause=0.2))
    ask(model(concurrency=3), 7)
    assert server.most_in_flight == 3


def test_no_request_is_no_connection(server, model, ask):
    assert ask(model(), 0) == []
    assert not server.bodies


# Errors that only the user can mend.


def test_wrong_key_costs_one_request(server, model, ask):
    server.plays(server.fails(401, "Incorrect API key provided: sk-secret-of-the-tests."))
    message = error_of(model(), ask, 16)
    assert message == (
        f"{server.url} refused the API key (401: Incorrect API key provided: ***): "
        "put a valid key into OPENAI_API_KEY."
    )
    assert len(server.bodies) == 1


def test_key_wanted_by_a_server_that_was_thought_to_want_none(server, model, ask):
    server.plays(server.fails(401, "Unauthorized"))
    message = error_of(model(api_key="", key_variable=""), ask)
    assert "name the variable that holds the key with llm.key_variable" in message


def test_no_key(model):
    with pytest.raises(ModelError, match="set the environment variable OPENAI_API_KEY"):
        model(api_key="")


def test_key_that_no_header_can_carry(model):
    with pytest.raises(ModelError, match="copy it again") as info:
        model(api_key="sk-\nx")
    assert "sk-" not in str(info.value)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://x", "http://", "http://x:y", ""])
def test_address_that_is_none(model, url):
    with pytest.raises(ModelError, match="is not a web address: write it like"):
        model(base_url=url)


def test_model_not_named(model):
    with pytest.raises(ModelError, match=r"set llm\.model to its name on http"):
        model(model="")


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (404, "The model `model-c` does not exist", "model_not_found"),
        (404, "model 'model-c' not found", None),
        (400, "model-c is not a valid model ID", None),
    ],
)
def test_unknown_model_lists_the_known(server, model, ask, status, text, code):
    server.plays(server.fails(status, text, code=code))
    assert error_of(model(model="model-c"), ask) == (
        f"{server.url} has no model 'model-c'. Did you mean 'model-b'? "
        "Set llm.model to one of: model-a, model-b."
    )
    assert len(server.bodies) == 1


def test_unknown_model_on_a_server_without_a_list(server, model, ask):
    server.models = None
    server.plays(server.says("404 page not found", "text/plain", 404))
    message = error_of(model(), ask)
    assert "does not know model 'model-a' or is no chat server (404: 404 page not found)" in message
    assert "llm.base_url is right (it usually ends in /v1)" in message


def test_dead_server_names_the_command(model, ask):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    assert error_of(model(base_url=url, start_hint="vllm serve {model}"), ask) == (
        f"cannot connect to {url} (Connection refused): start it with `vllm serve model-a`, "
        "or set llm.base_url to where it runs."
    )


def test_no_credit_is_not_retried(server, model, ask):
    server.plays(server.fails(429, "You exceeded your quota.", code="insufficient_quota"))
    message = error_of(model(), ask)
    assert "will not answer without payment (429: You exceeded your quota): add credit" in message
    assert len(server.bodies) == 1


def test_wrong_key_later_stops_the_rest_and_keeps_what_arrived(server, model, requests):
    answer, wrong = server.answers(), server.fails(401, "revoked")
    server.plays(answer, answer, answer, wrong)
    delivered = {}
    with pytest.raises(ModelError, match="revoked"):
        asyncio.run(model(concurrency=2).complete(requests(20), delivered.__setitem__))
    assert len(delivered) == 3
    assert len(server.bodies) <= 5  # at most one more was in flight


# Troubles that pass.


def test_retry_after_in_seconds(server, model, ask):
    server.plays(server.fails(429, "slow down", [("Retry-After", "1")]), server.answers("yes"))
    start = time.monotonic()
    assert ask(model())[0].text == "yes"
    assert time.monotonic() - start >= 1.0


def test_retry_after_as_a_date(server, model, ask):
    date = email.utils.formatdate(time.time() + 2, usegmt=True)
    server.plays(server.fails(503, "busy", [("Retry-After", date)]), server.answers("yes"))
    start = time.monotonic()
    assert ask(model())[0].text == "yes"
    assert time.monotonic() - start >= 0.9  # the date has whole seconds


def test_retry_after_that_is_nonsense(server, model, ask):
    server.plays(server.fails(429, "", [("Retry-After", "soon")]), server.answers("yes"))
    assert ask(model())[0].text == "yes"


def test_retry_after_beyond_patience_is_not_waited_for(server, model, ask):
    server.plays(server.fails(429, "daily limit", [("Retry-After", "3600")]))
    assert error_of(model(), ask) == (
        f"{server.url} asks for a pause of 3600 s (429: daily limit), longer than "
        "llm.max_wait_s=60: raise it, or come back later."
    )
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_passing_trouble_is_retried(server, model, ask, status):
    server.plays(server.fails(status), server.fails(status), server.answers("yes"))
    assert ask(model())[0].text == "yes"
    assert len(server.bodies) == 3


@pytest.mark.parametrize("trouble", ["drops", "html", "broken"])
def test_half_and_broken_answers_are_asked_for_again(server, model, ask, trouble):
    bad = {
        "drops": server.drops(),
        "html": server.says("<html>Welcome</html>", "text/html"),
        "broken": server.says('{"choices": [{'),
    }[trouble]
    server.plays(bad, server.answers("yes"))
    assert ask(model())[0].text == "yes"
    assert len(server.bodies) == 2


def test_server_that_only_fails_is_an_error_at_first_contact(server, model, ask):
    server.plays(server.fails(500, "CUDA out\nof memory"))
    assert error_of(model(retries=2), ask) == (
        f"{server.url} is failing (500: CUDA out of memory; tried 3 times): "
        "see the server's log, or try later."
    )
    assert len(server.bodies) == 3


def test_rate_limit_that_does_not_end(server, model, ask):
    server.plays(server.fails(429, "too many"))
    assert "lower llm.concurrency or raise llm.retries" in error_of(model(retries=1), ask)


@pytest.mark.parametrize("trouble", ["hangs", "trickles"])
def test_time_limit_holds_for_the_whole_answer(server, model, ask, trouble):
    server.plays(getattr(server, trouble)())
    assert error_of(model(timeout_s=0.3), ask) == (
        f"{server.url} gave no full answer within 0.3 s (tried 2 times): "
        "raise llm.timeout_s, or lower llm.concurrency or llm.max_tokens."
    )
    assert len(server.bodies) <= 2  # each may have been billed


@pytest.mark.parametrize(
    ("body", "kind", "begins"),
    [
        ("<html>Welcome</html>", "text/html", "it starts with '<html>Welcome</html>'"),
        ('{"choices": [{', "application/json", "it starts with '{\"choices\": [{'"),
        ('{"choices": []}', "application/json", "it starts with"),
        ('{"choices": [{"message": null}]}', "application/json", "it starts with"),
        ('{"choices": [{"message": {"content": [1]}}]}', "application/json", "it starts with"),
        ('{"error": {"message": "upstream"}}', "application/json", "upstream"),
        ("[" * 100_000, "application/json", "it starts with '[[[["),
        ('{"usage": {"prompt_tokens": 1e999}}', "application/json", "1e999"),
        ('{"usage": {"prompt_tokens": -5}}', "application/json", "-5"),
        ("[1]", "application/json", "it starts with '[1]'"),
        ("null", "application/json", "it starts with 'null'"),
        ("", "application/json", "it is empty"),
    ],
)
def test_what_is_not_a_completion(server, model, ask, body, kind, begins):
    server.plays(server.says(body, kind))
    message = error_of(model(), ask)
    assert "sent something that is not a chat completion" in message
    assert begins in message


def test_connection_that_always_breaks(server, model, ask):
    server.plays(server.drops())
    message = error_of(model(retries=1), ask)
    assert f"{server.url} broke off the connection (" in message
    assert "tried 2 times" in message


# One request's failure is its own.


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (lambda s: s.fails(500, "boom"), FailureKind.SERVER),
        (lambda s: s.fails(429, "slow"), FailureKind.RATE_LIMITED),
        (lambda s: s.fails(400, "prompt too long"), FailureKind.REFUSED),
        (lambda s: s.fails(400, "policy", code="content_filter"), FailureKind.FILTERED),
        (lambda s: s.drops(), FailureKind.CONNECTION),
        (lambda s: s.says("{}"), FailureKind.MALFORMED),
        (lambda s: s.hangs(), FailureKind.TIMEOUT),
    ],
)
def test_a_failure_takes_only_its_own_place(server, model, ask, trouble, kind):
    bad, good = trouble(server), server.answers()

    def second_fails(handler, body):
        is_second = body["messages"][0]["content"] == "question 1"
        (bad if is_second else good)(handler, body)

    server.plays(second_fails)
    answers = ask(model(retries=1, timeout_s=1.0), 4)
    assert isinstance(answers[1], Failure)
    assert answers[1].kind == kind
    assert answers[1].completion is None
    assert [answers[i].text for i in (0, 2, 3)] == ["question 0", "question 2", "question 3"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ({"text": "half a prog", "finish": "length"}, FailureKind.TRUNCATED),
        ({"text": "  \n"}, FailureKind.EMPTY),
        ({"text": "", "finish": "content_filter"}, FailureKind.FILTERED),
    ],
)
def test_unusable_answers_are_marked_and_kept(server, model, ask, reply, kind):
    server.plays(server.answers(**reply))
    (answer,) = ask(model(dollars_per_million=(1.0, 2.0)))
    assert isinstance(answer, Failure)
    assert answer.kind == kind
    assert answer.completion.text == reply["text"]
    assert answer.completion.dollars == pytest.approx(20e-6)
    assert len(server.bodies) == 1


def test_an_answer_without_a_choice_that_was_charged_for_is_not_asked_for_again(server, model, ask):
    server.plays(server.says('{"choices": [], "usage": {"prompt_tokens": 7}}'))
    (answer,) = ask(model())
    assert answer.kind == FailureKind.MALFORMED
    assert "charged" in answer.reason
    assert answer.completion.prompt_tokens == 7
    assert len(server.bodies) == 1


def test_characters_that_no_file_can_hold_are_replaced(server, model, ask):
    server.plays(server.answers("half \ud83d a smile", finish="\ud83d", model="\ud83d"))
    (answer,) = ask(model())
    assert (answer.text, answer.finish_reason, answer.model) == ("half ? a smile", "?", "?")
    server.plays(server.fails(400, "half \ud83d a smile"))
    assert "half ? a smile" in error_of(model(), ask)


def test_truncation_names_the_setting(server, model, ask):
    server.plays(server.answers("half", finish="length", usage=(10, 300)))
    (answer,) = ask(model())
    assert answer.reason == (
        "the answer was cut off after 300 tokens: raise llm.max_tokens "
        "(reasoning counts towards it)."
    )


# Parameters that a server will not have.


def test_refused_temperature_is_dropped_once_and_said(server, model, ask, caplog):
    def picky(handler, body):
        refuse = server.fails(
            400,
            "Unsupported value: 'temperature' does not support 0.5 with this model.",
            code="unsupported_value",
            param="temperature",
        )
        (refuse if "temperature" in body else server.answers())(handler, body)

    server.plays(picky)
    with caplog.at_level(logging.WARNING):
        answers = ask(model(temperature=0.5), 6)
    assert all(isinstance(a, Completion) for a in answers)
    assert len(server.bodies) == 7
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{server.url} refuses temperature=0.5 for model-a (400: Unsupported value: 'temperature' "
        "does not support 0.5 with this model): going on with its own default."
    )


def test_max_tokens_becomes_max_completion_tokens(server, model, ask):
    refuse = server.fails(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        code="unsupported_parameter",
        param="max_tokens",
    )
    server.plays(refuse, server.answers())
    ask(model(max_tokens=99))
    assert server.bodies[1]["max_completion_tokens"] == 99
    assert "max_tokens" not in server.bodies[1]


def test_cap_beyond_the_context_is_dropped(server, model, ask):
    text = "This model's maximum context length is 8192 tokens. However, you requested 17000 tokens"
    server.plays(server.fails(400, text), server.answers())
    ask(model())
    assert "max_tokens" not in server.bodies[1]


def test_prompt_beyond_the_context(server, model, ask):
    server.plays(server.fails(400, "This model's maximum context length is 4096 tokens"))
    assert "choose a model with a longer context" in error_of(model(), ask)


def test_refusal_of_everything_is_an_error(server, model, ask):
    server.plays(server.fails(400, "temperature max_tokens max_completion_tokens are all bad"))
    message = error_of(model(), ask)
    assert "refused the request (400: temperature" in message
    assert len(server.bodies) == 4  # all, less one, one renamed, none


# Budgets and callbacks.


def test_budget_stops_the_rest_and_keeps_what_arrived(server, model, requests):
    allowed = iter(range(3))

    def spend():
        if next(allowed, None) is None:
            raise BudgetError("the budget of 3 requests is spent.")

    delivered = {}
    with pytest.raises(BudgetError):
        asyncio.run(
            model(before_request=spend, concurrency=2).complete(requests(9), delivered.__setitem__)
        )
    assert sorted(delivered) == [0, 1, 2]
    assert len(server.bodies) == 3


def test_callback_errors_are_not_swallowed(server, model, requests):
    def full(index, answer):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        asyncio.run(model().complete(requests(3), full))
