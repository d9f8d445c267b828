"""Answers survive a crash and are paid for once."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from reward_synth.errors import ModelError
from reward_synth.propose.llm.cache import CachedModel
from reward_synth.propose.llm.records import Completion, Failure


class Crash(Exception):
    pass


@pytest.fixture
def cached(model, tmp_path):
    return lambda **settings: CachedModel(
        model(dollars_per_million=(1.0, 1.0), **settings), tmp_path / "answers"
    )


def test_after_a_crash_only_the_rest_is_asked(server, cached, requests, ask):
    delivered = {}

    def crash_on_third(index, answer):
        delivered[index] = answer
        if len(delivered) == 3:
            raise Crash

    with pytest.raises(Crash):
        asyncio.run(cached(concurrency=1).complete(requests(6), crash_on_third))
    asked = len(server.bodies)
    assert asked == 3

    answers = ask(cached(), 6)
    assert [a.text for a in answers] == [f"question {i}" for i in range(6)]
    assert [a.cached for a in answers] == [True, True, True, False, False, False]
    assert len(server.bodies) == 6


def test_a_hit_costs_nothing_new_but_remembers_its_price(server, cached, ask):
    (first,) = ask(cached())
    (second,) = ask(cached())
    assert first.new_dollars == first.dollars == pytest.approx(15e-6)
    assert second.dollars == first.dollars
    assert second.new_dollars == 0.0
    assert replace(second, cached=False) == first


@pytest.mark.parametrize("change", [{"temperature": 0.1}, {"max_tokens": 5}, {"model": "model-b"}])
def test_other_sampling_is_another_answer(server, cached, ask, change):
    ask(cached())
    ask(cached(**change))
    assert len(server.bodies) == 2


def test_samples_of_the_same_messages_are_apart(server, cached, requests):
    (request,) = requests(1)
    samples = [replace(request, sample=i) for i in range(3)]
    asyncio.run(cached().complete(samples, lambda *_: None))
    assert len(server.bodies) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"completion": {"text": 1}}', "\udcff"])
def test_a_corrupt_file_is_reported_and_asked_again(server, cached, requests, ask, caplog, content):
    model = cached()
    path = model.path(requests(1)[0])
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING):
        (answer,) = ask(model)
    assert isinstance(answer, Completion)
    assert not answer.cached
    (record,) = caplog.records
    assert f"the kept answer {path} cannot be read" in record.getMessage()
    assert ask(cached())[0].cached


def test_paid_failures_are_kept_and_unpaid_ones_asked_again(server, cached, requests):
    server.plays(server.answers("ok"), server.answers("half", finish="length"), server.fails(400))
    first = asyncio.run(cached(concurrency=1).complete(requests(3), lambda *_: None))
    assert [type(a) for a in first] == [Completion, Failure, Failure]
    again = asyncio.run(cached(concurrency=1).complete(requests(2), lambda *_: None))
    assert len(server.bodies) == 3
    assert again[1].completion.text == "half"
    assert again[1].completion.cached
    assert again[1].kind == first[1].kind


def test_files_are_readable_hold_no_key_and_leave_no_litter(server, cached, requests, ask):
    model = cached()
    ask(model, 3)
    files = list(model.folder.iterdir())
    assert len(files) == 3
    assert all(f.suffix == ".json" and "sk-secret" not in f.read_text() for f in files)
    record = json.loads(model.path(requests(1)[0]).read_text())
    assert record["completion"]["text"] == "question 0"
    assert record["identity"]["base_url"] == server.url


def test_folder_that_cannot_be_made(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot make the folder"):
        CachedModel(model(), tmp_path / "file" / "answers")


def test_an_answer_that_cannot_be_kept_is_still_handed_on(server, cached, ask, caplog):
    model = cached()
    model.folder.rmdir()
    model.folder.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        (answer,) = ask(model)
    assert answer.text == "question 0"
    assert "cannot keep an answer" in caplog.text
