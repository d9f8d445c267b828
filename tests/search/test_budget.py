"""Budgets: stop before, keep what was paid for."""

import time
from dataclasses import replace

import pytest

from reward_synth.errors import BudgetError
from reward_synth.propose.llm.records import Completion, Failure, FailureKind
from reward_synth.search.budget import Budget
from reward_synth.search.config import BudgetSettings
from reward_synth.search.store import Spent, Store


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path) as store:
        yield store


def answer(tokens, dollars=0.0):
    return Completion("text", "model", tokens, 0, dollars, "stop", time.perf_counter())


def test_requests_stop_before_the_tokens_are_passed(store):
    budget = Budget(BudgetSettings(tokens=100), store, "gen_00/propose")
    for _ in range(3):
        budget.before_request()
        budget.on_answer(answer(30))
    with pytest.raises(BudgetError, match="100 tokens would be passed: 90"):
        budget.before_request()
    assert store.spent().tokens == 90


def test_requests_in_flight_count_as_the_largest_answer_so_far(store):
    budget = Budget(BudgetSettings(dollars=1.0), store)
    budget.before_request()
    budget.on_answer(answer(10, dollars=0.3))
    budget.before_request()
    budget.before_request()
    with pytest.raises(BudgetError, match="dollars"):
        budget.before_request()


def test_answers_that_cannot_be_used_are_paid_for_too(store):
    budget = Budget(BudgetSettings(), store)
    budget.on_answer(Failure(FailureKind.TRUNCATED, "cut off", answer(50)))
    budget.on_answer(Failure(FailureKind.SERVER, "down"))
    budget.on_answer(answer(50))
    assert store.spent().tokens == 100


def test_an_answer_is_entered_once_however_often_it_is_read_back(store):
    new = answer(50)
    read_back = replace(new, cached=True)
    Budget(BudgetSettings(), store, "gen_00/propose").on_answer(new)
    for _ in range(2):
        Budget(BudgetSettings(), store, "gen_00/propose").on_answer(read_back)
    assert store.spent().tokens == 50


def test_an_answer_that_was_kept_and_not_entered_is_entered_when_it_is_read_back(store):
    read_back = replace(answer(70), cached=True)
    for _ in range(2):
        Budget(BudgetSettings(), store, "gen_00/propose").on_answer(read_back)
    assert store.spent().tokens == 70


def test_trainings_fit_or_do_not(store):
    store.charge("a", "tracing", Spent(seconds=90.0))  # says nothing about the rate of training
    assert Budget(BudgetSettings(seconds=100.0), store).allows(10**9)
    store.charge("b", "training", Spent(env_steps=600, seconds=6.0))
    assert Budget(BudgetSettings(env_steps=1000), store).allows(400)
    assert not Budget(BudgetSettings(env_steps=1000), store).allows(401)
    # at 100 steps a second
    assert Budget(BudgetSettings(seconds=100.0), store).allows(5_000)
    assert not Budget(BudgetSettings(seconds=100.0), store).allows(20_000)


def test_time_of_earlier_sittings_counts(store):
    store.put("seconds", 50.0)
    Budget(BudgetSettings(seconds=60.0), store).check_seconds()
    with pytest.raises(BudgetError, match="40 seconds is used up"):
        Budget(BudgetSettings(seconds=40.0), store).check_seconds()
