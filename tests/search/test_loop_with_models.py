"""The loop with two models of one server: who writes, what it took, and that none is confused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reward_synth.errors import ConfigError
from reward_synth.search.config import FinalSettings, LLMSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.store import Store
from tests.propose.conftest import KEY, quick_and_direct, server  # noqa: F401 (fixtures)
from tests.search.test_loop import ANSWERS, PLAIN, Ear, config  # noqa: F401 (a fixture)

BROKEN, GOOD = ANSWERS["unknown field"][0], ANSWERS["good"][0]
TOKENS = {"cheap": 15, "dear": 1500}


@pytest.fixture
def two(server, config, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return replace(
        config,
        llm=LLMSettings(kind="openai", base_url=server.url, models=tuple(TOKENS)),
        search=replace(
            PLAIN, strategy="evolve", generations=2, candidates=4, repairs=1, fit_weights=False
        ),
        final=FinalSettings(trainings=0),
    )


def by_name(server):  # noqa: F811
    """Each model answers under the server's own name for it; the dear one is broken at first."""

    def reply(handler, body):
        name = body["model"]
        broken = name == "dear" and not any(b["model"] == "dear" for b in server.bodies[:-1])
        text = BROKEN if broken else GOOD
        usage = (TOKENS[name] - 5, 5)
        server.answers(text, model=f"{name}-2026", usage=usage)(handler, body)

    return reply


def test_two_models_share_the_work_and_are_told_apart(server, two, tmp_path):  # noqa: F811
    server.models = list(TOKENS)
    server.plays(by_name(server))
    folder = tmp_path / "run"
    start(two, folder, Ear())
    with Store.read(folder) as store:
        candidates, spent = store.candidates(), store.spent()
    first = candidates[:4]
    assert [c.model for c in first] == ["cheap", "cheap", "dear", "dear"]
    assert [c.author for c in first] == [f"{c.model}-2026" for c in first]
    assert [c.lineage for c in first] == [0, 1, 0, 1]
    assert all(c.score for c in first)
    assert sorted(c.tokens for c in first) == [
        15,
        15,
        1500,
        3000,
    ]  # one was repaired, by who had written it
    assert sum(c.tokens for c in candidates) == spent.tokens
    later = [c for c in candidates[4:] if c.model]
    assert sum(c.model == "cheap" for c in later) > sum(c.model == "dear" for c in later)
    # No two answers of the folder are for the same question to the same model.
    kept = [json.loads(path.read_text()) for path in (folder / "answers").glob("*.json")]
    asked = [json.dumps([k["identity"], k["messages"], k["sample"]]) for k in kept]
    assert len(set(asked)) == len(asked) == len(server.bodies)
    assert {k["identity"]["model"] for k in kept} == set(TOKENS)
    before = len(server.bodies)
    resume(folder, Ear())
    assert len(server.bodies) == before


@pytest.mark.parametrize(
    ("llm", "strategy", "words"),
    [
        ({"model": "a", "models": ("a", "b")}, "evolve", "both set"),
        ({"models": ("a", "a")}, "evolve", "different names"),
        ({"models": ("a", "b")}, "eureka", "asks one model"),
    ],
)
def test_models_that_make_no_sense(config, llm, strategy, words):  # noqa: F811
    wrong = replace(
        config, llm=LLMSettings(**llm), search=replace(config.search, strategy=strategy)
    )
    with pytest.raises(ConfigError, match=words):
        wrong.check()
