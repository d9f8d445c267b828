"""The loop with a chat server: what is asked, what is paid, what is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reward_synth.errors import ModelError
from reward_synth.search.config import BudgetSettings, FinalSettings, LLMSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.store import Store
from tests.propose.conftest import KEY, quick_and_direct, server  # noqa: F401 (fixtures)
from tests.search.test_loop import ANSWERS, PLAIN, Ear, config  # noqa: F401 (a fixture)

GOOD = ANSWERS["good"][0]
TOKENS = 15  # of each of the server's answers


@pytest.fixture
def asking(server, config, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return replace(
        config,
        llm=LLMSettings(kind="openai", base_url=server.url, model="model-a", concurrency=2),
        search=replace(PLAIN, strategy="eureka_elitist", generations=2, candidates=2),
        final=FinalSettings(trainings=0),
    )


def test_two_generations_and_their_bill(server, asking, tmp_path):  # noqa: F811
    server.plays(server.answers(GOOD))
    ear = Ear()
    start(asking, tmp_path / "run", ear)
    assert len(server.bodies) == 4
    first, last = (body["messages"][-1]["content"] for body in (server.bodies[0], server.bodies[3]))
    assert "Bring the point mass to rest" in first
    assert "The program to improve" in last
    assert "Means over training" in last
    with Store.read(tmp_path / "run") as store:
        assert store.spent().tokens == 4 * TOKENS
        assert [c.operator for c in store.candidates()] == ["initial"] * 2 + ["revise"] * 2
        assert {c.author for c in store.candidates()} == {"model-a"}
    for path in (tmp_path / "run").rglob("*"):  # the key is written nowhere
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_a_key_that_dies_loses_no_answer(server, asking, tmp_path):  # noqa: F811
    server.plays(
        server.answers(GOOD), server.answers(GOOD), server.answers(GOOD), server.fails(401, "no")
    )
    with pytest.raises(ModelError, match="refused the API key"):
        start(asking, tmp_path / "run", Ear())
    server.plays(server.answers(GOOD))
    server.bodies.clear()
    ear = Ear()
    resume(tmp_path / "run", ear)
    assert len(server.bodies) == 1
    assert len(ear.generations) == 2
    with Store.read(tmp_path / "run") as store:
        assert store.spent().tokens == 4 * TOKENS


def test_a_budget_of_tokens_ends_the_search_with_what_was_paid_for(
    server,  # noqa: F811
    asking,
    tmp_path,
):
    server.plays(server.answers(GOOD))
    limited = replace(
        asking,
        search=replace(asking.search, candidates=4),
        budget=BudgetSettings(tokens=2 * TOKENS + 5),
    )
    ear = Ear()
    start(limited, tmp_path / "run", ear)
    assert len(server.bodies) == 2
    ((one, two, *others),) = ear.generations
    assert one.score
    assert two.score
    assert all("budget" in c.rejection.reason for c in others)
    assert any("The search stops here" in text for text in ear.heard)


def test_nothing_usable_comes_back(server, asking, tmp_path):  # noqa: F811
    server.plays(server.answers(""), server.answers("Half a th", finish="length"))
    ear = Ear()
    with pytest.raises(Exception, match="no candidate could be trained"):
        start(asking, tmp_path / "run", ear)
    reasons = {c.rejection.reason for generation in ear.generations for c in generation}
    assert any("cut off" in reason for reason in reasons)
    with Store.read(tmp_path / "run") as store:
        assert store.spent().tokens == len(server.bodies) * TOKENS
