"""The proposer that asks language models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reward_synth.errors import BudgetError, ModelError
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
from reward_synth.propose.operators import Manner
from reward_synth.propose.peers import peer_messages
from reward_synth.propose.prompts import (
    Elite,
    initial_messages,
    repair_messages,
    revise_messages,
)
from reward_synth.propose.proposer import Brief, Broken, Context, Proposal

log = logging.getLogger(__name__)


class LanguageProposer:
    """Asks for every candidate in a request of its own; implements ``Proposer``.

    Models are asked at the same time. One that turns out to be of no use (``ModelError``) takes
    its requests of that call down with it, and no others; from then on the next model that works
    is asked in its place. What needs no model is done on the programs' syntax, by the offline
    proposer. Each call runs an event loop, so call it from a thread that has none.

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
        self._lost: set[int] = set()  # models that cannot work until the user mends something

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
                self._at_work(briefs[i].model),
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
                    self._at_work(b.brief.model),
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
        if brief.manner is not Manner.OURS:
            return peer_messages(context, self._facade_names, brief)
        direction = None if brief.alike else sample
        if not brief.parents:
            return initial_messages(
                context.description, self._facade_names, direction, failures=brief.failures
            )
        parent = brief.parents[0]
        return revise_messages(
            context.description,
            self._facade_names,
            parent.program.source,
            parent.reflection,
            operator=brief.operator,
            comment=brief.comment,
            elites=[
                Elite(elite.program.source, elite.summary)
                for elite in brief.elites
                if elite.id != parent.id
            ],
            failures=brief.failures,
            sample=direction,
        )

    def _ask(self, requests: Sequence[_Request]) -> list[Proposal]:
        """Ask for all of them at once; a request that fails takes its own place as a failure.

        Raises:
          BudgetError: it had ended before anything was asked.
          ModelError: no model is left.
        """
        answers: dict[int, Answer] = {}
        errors = asyncio.run(self._complete(requests, answers))
        hopeless = {model: e for model, e in errors.items() if isinstance(e, ModelError)}
        self._lost |= set(hopeless)
        if hopeless and len(self._lost) == len(self._models):
            raise next(iter(hopeless.values()))
        over = next((e for e in errors.values() if isinstance(e, BudgetError)), None)
        if over is not None and not answers:
            raise over
        for model, error in hopeless.items():
            log.warning("%s is not asked any more: %s", self._models[model].name, error)
        for model, error in errors.items():
            kind = FailureKind.MODEL if model in hopeless else FailureKind.BUDGET
            missing = Failure(kind, f"it was not asked for: {error}")
            for place in (i for i, request in enumerate(requests) if request.model == model):
                answers.setdefault(place, missing)
        return [
            _proposal(answers[i], request, self._models[request.model].name)
            for i, request in enumerate(requests)
        ]

    async def _complete(
        self, requests: Sequence[_Request], answers: dict[int, Answer]
    ) -> dict[int, BudgetError | ModelError]:
        """Put answers in their places as they arrive; return what ended models before their last.

        All on one thread: the ledger, which answers are entered in and budgets read from, is
        never met by two at once.
        """
        models = sorted({request.model for request in requests})

        async def ask(model: int) -> None:
            places = [i for i, request in enumerate(requests) if request.model == model]

            def keep(index: int, answer: Answer) -> None:
                answers[places[index]] = answer
                self._on_answer(answer)

            asked = [Request(requests[i].messages, requests[i].sample) for i in places]
            await self._models[model].complete(asked, keep)

        # What one raises must not cancel what others have paid for.
        ended = await asyncio.gather(*map(ask, models), return_exceptions=True)
        errors: dict[int, BudgetError | ModelError] = {}
        for model, error in zip(models, ended, strict=True):
            if isinstance(error, BudgetError | ModelError):
                errors[model] = error
            elif error is not None:
                raise error
        return errors

    def _at_work(self, model: int) -> int:
        """Return the model itself, or the next that works."""
        count = len(self._models)
        around = ((model + step) % count for step in range(count))
        return next((i for i in around if i not in self._lost), model)


@dataclass(frozen=True, slots=True)
class _Request:
    """One candidate's request, and what its proposal will say of itself."""

    model: int
    messages: tuple[Message, ...]
    sample: int
    operator: str
    parents: tuple[str, ...]


def _proposal(answer: Answer, request: _Request, model: str) -> Proposal:
    completion = answer if isinstance(answer, Completion) else answer.completion
    return Proposal(
        answer=completion.text if completion else "",
        problem="" if isinstance(answer, Completion) else answer.reason,
        operator=request.operator,
        parents=request.parents,
        prompt=request.messages,
        author=completion.model if completion else "",
        model=model if completion else "",
        tokens=completion.prompt_tokens + completion.completion_tokens if completion else 0,
        dollars=(completion.dollars or 0.0) if completion else 0.0,
    )
