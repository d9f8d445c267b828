"""The proposer that asks a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reward_synth.errors import BudgetError
from reward_synth.propose.llm.records import (
    Answer,
    Completion,
    Failure,
    FailureKind,
    LanguageModel,
    Message,
    Request,
)
from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.prompts import (
    Elite,
    initial_messages,
    repair_messages,
    revise_messages,
)
from reward_synth.propose.proposer import Brief, Broken, Context, Proposal


class LanguageProposer:
    """Asks for every candidate in a request of its own; implements ``Proposer``.

    What needs no model is done on the programs' syntax, by the offline proposer.

    Args:
      models: the language models; cached ones, so that a continued run pays nothing twice.
      facade_names: the names of ``jnp`` that programs may use.
      on_answer: called with each answer as it arrives, for the ledger.
    """

    def __init__(
        self,
        models: Sequence[LanguageModel],
        facade_names: Sequence[str],
        on_answer: Callable[[Answer], None],
    ) -> None:
        self._models = tuple(models)
        self._facade_names = facade_names
        self._on_answer = on_answer
        self._syntax = OfflineProposer()

    @property
    def models(self) -> tuple[str, ...]:
        """The models' names."""
        return tuple(model.name for model in self._models)

    def propose(self, context: Context, briefs: Sequence[Brief]) -> list[Proposal]:
        """Write a candidate for each brief; see ``Proposer.propose``."""
        places = range(len(briefs))
        asked = [i for i in places if briefs[i].operator.needs_model]
        changed = [i for i in places if i not in asked]
        requests = [
            _Request(
                briefs[i].model,
                self._messages(context, briefs[i], i),
                sample=context.generation * 1000 + i,
                operator=briefs[i].operator,
                parents=tuple(parent.id for parent in briefs[i].parents[:1]),
            )
            for i in asked
        ]
        written = dict(zip(asked, self._ask(requests), strict=True))
        on_syntax = self._syntax.propose(context, [briefs[i] for i in changed])
        written |= dict(zip(changed, on_syntax, strict=True))
        return [written[i] for i in places]

    def repair(self, context: Context, broken: Sequence[Broken]) -> list[Proposal]:
        """Have each of ``broken`` mended; see ``Proposer.repair``."""
        return self._ask(
            [
                _Request(
                    b.brief.model,
                    repair_messages(context.description, self._facade_names, b.source, b.rejection),
                    # A second repair can meet the same program and reason; it must not get the
                    # same answer.
                    sample=(b.attempt * 100 + context.generation) * 1000 + b.index,
                    operator="repair",
                    parents=tuple(parent.id for parent in b.brief.parents[:1]),
                )
                for b in broken
            ]
        )

    def _messages(self, context: Context, brief: Brief, sample: int) -> tuple[Message, ...]:
        direction = None if brief.alike else sample
        if not brief.parents:
            return initial_messages(context.description, self._facade_names, direction)
        parent = brief.parents[0]
        return revise_messages(
            context.description,
            self._facade_names,
            parent.program.source,
            parent.reflection,
            comment=brief.comment,
            elites=[
                Elite(elite.program.source, f"Fitness {elite.fitness:.4g}.")
                for elite in brief.elites
            ],
            failures=brief.failures,
            sample=direction,
        )

    def _ask(self, requests: Sequence[_Request]) -> list[Proposal]:
        answers: dict[int, Answer] = {}
        for model in sorted({request.model for request in requests}):
            places = [i for i, request in enumerate(requests) if request.model == model]
            answers |= dict(zip(places, self._complete(model, requests, places), strict=True))
        return [_proposal(answers[i], request) for i, request in enumerate(requests)]

    def _complete(
        self, model: int, requests: Sequence[_Request], places: Sequence[int]
    ) -> list[Answer]:
        """Answer the requests; where the budget ends in between, with what was paid for."""
        arrived: dict[int, Answer] = {}

        def keep(index: int, answer: Answer) -> None:
            arrived[index] = answer
            self._on_answer(answer)

        asked = [Request(requests[i].messages, requests[i].sample) for i in places]
        try:
            return self._models[model].complete(asked, keep)
        except BudgetError as error:
            if not arrived:
                raise
            missing = Failure(FailureKind.BUDGET, f"it was not asked for: {error}")
            return [arrived.get(index, missing) for index in range(len(asked))]


@dataclass(frozen=True, slots=True)
class _Request:
    """One candidate's request, and what its proposal will say of itself."""

    model: int
    messages: tuple[Message, ...]
    sample: int
    operator: str
    parents: tuple[str, ...]


def _proposal(answer: Answer, request: _Request) -> Proposal:
    completion = answer if isinstance(answer, Completion) else answer.completion
    return Proposal(
        answer=completion.text if completion else "",
        problem="" if isinstance(answer, Completion) else answer.reason,
        operator=request.operator,
        parents=request.parents,
        prompt=request.messages,
        author=completion.model if completion else "",
    )
