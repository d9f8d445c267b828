"""The proposer that asks language models: who is asked what, at the same time, and what is kept."""

import asyncio
from dataclasses import dataclass, field

import pytest
from offline_worlds import LEGS, program_of, proposed, source_of

from reward_synth.errors import BudgetError, ModelError
from reward_synth.propose.language import LanguageProposer
from reward_synth.propose.llm.records import Completion, Failure, FailureKind
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Broken, Context, Parent
from reward_synth.records import Rejection, Stage

CONTEXT = Context(LEGS, 3, 0)
PROGRAMS = [program_of(source_of(proposal)) for proposal in proposed(LEGS, 3)]


@dataclass
class FakeModel:
    """Answers with its name and the sample.

    Attributes:
      name: its name.
      meets: where it waits for others that are asked at the same time; not for ever.
      error: what it raises instead of the answer number ``after``.
      failure: what each of its answers is, if not text.
    """

    name: str
    meets: asyncio.Barrier | None = None
    error: Exception | None = None
    after: int = 0
    failure: Failure | None = None
    asked: list = field(default_factory=list)

    @property
    def identity(self):
        return {"model": self.name}

    async def complete(self, requests, on_answer):
        answers = []
        if self.meets is not None:
            await asyncio.wait_for(self.meets.wait(), 5.0)
        for index, request in enumerate(requests):
            if self.error is not None and index == self.after:
                raise self.error
            await asyncio.sleep(0)
            self.asked.append(request)
            text = f"{self.name} {request.sample}"
            answer = self.failure or Completion(text, self.name, 10, 5, 0.0, "stop", 0.1)
            on_answer(index, answer)
            answers.append(answer)
        return answers


def proposer(*models):
    paid = []
    return LanguageProposer(models, ("exp",), paid.append), paid


def briefs(*models):
    return [Brief(Operator.INITIAL, model=model) for model in models]


def broken(index, brief, reason="it does not trace."):
    return Broken(index, 1, brief, "", Rejection(Stage.TRACE, reason))


def parent(k, summary=""):
    return Parent(f"g00c{k:02d}", PROGRAMS[k], 1.0 - k, "It fell.", summary)


def test_models_are_asked_at_the_same_time_and_answers_keep_their_places():
    barrier = asyncio.Barrier(2)  # neither passes before the other is asked as well
    writer, paid = proposer(FakeModel("A", barrier), FakeModel("B", barrier))
    written = writer.propose(CONTEXT, briefs(1, 0, 0, 1))
    assert [p.answer for p in written] == ["B 3000", "A 3001", "A 3002", "B 3003"]
    assert [p.author for p in written] == [p.model for p in written] == ["B", "A", "A", "B"]
    assert [p.tokens for p in written] == [15] * 4
    assert len(paid) == 4


def test_a_model_that_is_of_no_use_takes_only_its_own_requests_down(caplog):
    a = FakeModel("A")
    b = FakeModel("B", error=ModelError("B refused the API key: set another."), after=1)
    writer, paid = proposer(a, b)
    written = writer.propose(CONTEXT, briefs(0, 1, 1, 0))
    assert [p.answer for p in written] == ["A 3000", "B 3001", "", "A 3003"]
    assert "B refused the API key" in written[2].problem
    assert len(paid) == 3
    assert "B is not asked any more" in caplog.text
    # From now on the one that works is asked.
    (mended,) = writer.repair(CONTEXT, [broken(2, briefs(1)[0])])
    assert mended.author == mended.model == "A"  # it gets the credit
    assert (written[2].model, written[2].tokens) == ("", 0)
    assert writer.propose(CONTEXT, briefs(1))[0].author == "A"


def test_without_any_model_left_the_user_is_told():
    writer, _ = proposer(
        FakeModel("A", error=ModelError("A is gone.")), FakeModel("B", error=ModelError("B too."))
    )
    with pytest.raises(ModelError, match=r"A is gone\."):
        writer.propose(CONTEXT, briefs(0, 1))


def test_one_model_that_fails_after_its_first_answer_stops_the_run():
    writer, paid = proposer(FakeModel("A", error=ModelError("the key died."), after=1))
    with pytest.raises(ModelError, match="the key died"):
        writer.propose(CONTEXT, briefs(0, 0))
    assert len(paid) == 1


def test_a_budget_that_ends_keeps_what_was_paid_for():
    over = BudgetError("the budget of 30 tokens would be passed.")
    writer, paid = proposer(FakeModel("A", error=over, after=2), FakeModel("B", error=over))
    written = writer.propose(CONTEXT, briefs(0, 1, 0, 0))
    assert [p.answer for p in written] == ["A 3000", "", "A 3002", ""]
    assert all("30 tokens" in written[i].problem for i in (1, 3))
    assert len(paid) == 2
    assert writer.propose(CONTEXT, briefs(0, 0))  # a budget may be raised; the model is not lost


def test_a_budget_that_had_ended_is_raised():
    over = BudgetError("the budget is used up.")
    writer, _ = proposer(FakeModel("A", error=over), FakeModel("B", error=over))
    with pytest.raises(BudgetError):
        writer.propose(CONTEXT, briefs(0, 1))


def test_what_is_wrong_with_the_program_itself_is_not_swallowed():
    writer, _ = proposer(FakeModel("A", error=OSError("disk full")), FakeModel("B"))
    with pytest.raises(OSError, match="disk full"):
        writer.propose(CONTEXT, briefs(0, 1))


def test_a_request_that_fails_is_no_reason_to_give_the_model_up():
    writer, _ = proposer(FakeModel("A", failure=Failure(FailureKind.SERVER, "the server is down.")))
    for _ in range(2):
        (written,) = writer.propose(CONTEXT, briefs(0))
        assert (written.answer, written.problem) == ("", "the server is down.")


def test_syntax_is_changed_without_a_model():
    model = FakeModel("A")
    writer, _ = proposer(model)
    asked = [
        Brief(Operator.CROSSOVER, (parent(0), parent(1))),
        Brief(Operator.STRUCTURE, (parent(0),)),
        Brief(Operator.PARAMETERS, (parent(0),), weights=PROGRAMS[0].weights[:1]),
    ]
    written = writer.propose(CONTEXT, asked)
    assert [p.author for p in written] == ["offline", "A", "offline"]
    assert [p.operator.split(":")[0] for p in written] == ["crossover", "structure", "parameters"]
    assert len(model.asked) == 1


def test_where_nothing_needs_a_model_none_is_asked():
    model = FakeModel("A", error=ModelError("A is gone."))
    writer, _ = proposer(model)
    (written,) = writer.propose(CONTEXT, [Brief(Operator.PARAMETERS, (parent(0),))])
    assert written.author == "offline"
    assert writer.repair(CONTEXT, []) == []


def question(brief):
    model = FakeModel("A")
    proposer(model)[0].propose(CONTEXT, [brief])
    return model.asked[0].messages[-1].content


def test_each_operator_asks_its_own_question():
    operators = (Operator.REVISE, Operator.STRUCTURE, Operator.THOUGHT, Operator.SIMPLIFY)
    texts = [question(Brief(operator, (parent(0),), alike=True)) for operator in operators]
    assert len(set(texts)) == len(texts)
    assert all("It fell." in text for text in texts)


def test_alike_asks_in_the_same_words_and_others_in_their_own():
    model = FakeModel("A")
    writer, _ = proposer(model)
    for alike, distinct in ((True, 1), (False, 3)):
        model.asked.clear()
        writer.propose(CONTEXT, [Brief(Operator.REVISE, (parent(0),), alike=alike)] * 3)
        assert len({request.messages for request in model.asked}) == distinct
        assert len({request.sample for request in model.asked}) == 3


def test_elites_are_shown_with_their_summaries_and_the_parent_only_once():
    elites = (parent(0, "the parent itself"), parent(1, "g00c01 hops on one leg"))
    text = question(Brief(Operator.REVISE, (parent(0),), elites))
    assert "g00c01 hops on one leg" in text
    assert "the parent itself" not in text
    assert text.count(PROGRAMS[0].source.strip()) == 1
