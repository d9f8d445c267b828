"""The proposer that asks a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from reward_synth.propose.prompts import (
    Elite,
    initial_messages,
    repair_messages,
    revise_messages,
)
from reward_synth.propose.proposer import Broken, Context, Parent, Proposal


class LanguageProposer:
    """Asks for every candidate in a request of its own; implements ``Proposer``.

    Args:
      model: the language model; a cached one, so that a continued run pays nothing twice.
      facade_names: the names of ``jnp`` that programs may use.
      on_answer: called with each answer as it arrives, for the ledger.
    """

    def __init__(
        self,
        model: LanguageModel,
        facade_names: Sequence[str],
        on_answer: Callable[[Answer], None],
    ) -> None:
        self._model = model
        self._facade_names = facade_names
        self._on_answer = on_answer

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    def propose(self, context: Context, count: int) -> list[Proposal]:
        """Write ``count`` candidates; see ``Proposer.propose``."""
        parent = context.parent
        if parent is None:
            operator, parents = "initial", ()
            chats = [self._initial(context, i) for i in range(count)]
        else:
            operator, parents = "revise", (parent.id,)
            chats = [self._revise(context, parent, i) for i in range(count)]
        samples = [context.generation * 1000 + i for i in range(count)]
        return self._ask(chats, samples, operator, [parents] * count)

    def repair(self, context: Context, broken: Sequence[Broken]) -> list[Proposal]:
        """Have each of ``broken`` mended; see ``Proposer.repair``."""
        chats = [
            repair_messages(context.description, self._facade_names, b.source, b.rejection)
            for b in broken
        ]
        # A second repair can meet the same program and reason; it must not get the same answer.
        samples = [(b.attempt * 100 + context.generation) * 1000 + b.index for b in broken]
        parents = () if context.parent is None else (context.parent.id,)
        return self._ask(chats, samples, "repair", [parents] * len(broken))

    def _initial(self, context: Context, sample: int) -> tuple[Message, ...]:
        return initial_messages(context.description, self._facade_names, sample)

    def _revise(self, context: Context, parent: Parent, sample: int) -> tuple[Message, ...]:
        return revise_messages(
            context.description,
            self._facade_names,
            parent.program.source,
            parent.reflection,
            elites=[
                Elite(elite.program.source, f"Fitness {elite.fitness:.4g}.")
                for elite in context.elites
            ],
            failures=context.failures,
            sample=sample,
        )

    def _ask(
        self,
        chats: Sequence[tuple[Message, ...]],
        samples: Sequence[int],
        operator: str,
        parents: Sequence[tuple[str, ...]],
    ) -> list[Proposal]:
        requests = [Request(chat, sample) for chat, sample in zip(chats, samples, strict=True)]
        answers = self._complete(requests)
        return [
            _proposal(answer, operator, made_from, chat)
            for answer, made_from, chat in zip(answers, parents, chats, strict=True)
        ]

    def _complete(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer the requests; where the budget ends in between, with what was paid for."""
        arrived: dict[int, Answer] = {}

        def keep(index: int, answer: Answer) -> None:
            arrived[index] = answer
            self._on_answer(answer)

        try:
            return self._model.complete(requests, keep)
        except BudgetError as error:
            if not arrived:
                raise
            missing = Failure(FailureKind.BUDGET, f"it was not asked for: {error}")
            return [arrived.get(index, missing) for index in range(len(requests))]


def _proposal(
    answer: Answer, operator: str, parents: tuple[str, ...], prompt: tuple[Message, ...]
) -> Proposal:
    completion = answer if isinstance(answer, Completion) else answer.completion
    return Proposal(
        answer=completion.text if completion else "",
        problem="" if isinstance(answer, Completion) else answer.reason,
        operator=operator,
        parents=parents,
        prompt=prompt,
        author=completion.model if completion else "",
    )
