"""Asks a model and reads its answers; one that cannot be read is asked for once more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from reward_synth.feedback.judge.prompts import Way, again_messages
from reward_synth.propose.llm.records import Answer, Completion, LanguageModel, Message, Request

T = TypeVar("T")
Read = Callable[[str], T | None]


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What came of one request.

    Attributes:
      value: what the answer was read as; None if nothing could be.
      words: the answer; if there is no value, why not, in a line.
    """

    value: T | None
    words: str


class Asker:
    """Asks a language model. Each call runs an event loop, so call it from a thread that has none.

    Args:
      model: a cached one, so that a continued run pays nothing twice.
      on_answer: called with each answer as it arrives, for the ledger.
    """

    def __init__(self, model: LanguageModel, on_answer: Callable[[Answer], None]) -> None:
        self.model = model
        self._on_answer = on_answer

    def ask(
        self, way: Way, chats: Sequence[tuple[Message, ...]], samples: Sequence[int], read: Read[T]
    ) -> list[Reply[T]]:
        """Ask for an answer to each chat, all at once; a request that fails touches no other.

        Args:
          way: what is asked.
          chats: one a request.
          samples: of each, to tell votes on the same question apart.
          read: what an answer says; None if it does not say it.

        Raises:
          BudgetError: it does not allow for another request.
          ModelError: the model cannot be asked until the user mends something. What was answered
            before is kept by a cached model.
        """
        requests = [Request(chat, k) for chat, k in zip(chats, samples, strict=True)]
        answers = self._complete(requests)
        unread = [
            i
            for i, answer in enumerate(answers)
            if isinstance(answer, Completion) and read(answer.text) is None
        ]
        again = [
            Request(again_messages(way, chats[i], _text(answers[i])), samples[i]) for i in unread
        ]
        second = dict(zip(unread, self._complete(again), strict=True))
        return [_reply(answer, second.get(i), read) for i, answer in enumerate(answers)]

    def _complete(self, requests: Sequence[Request]) -> list[Answer]:
        if not requests:
            return []
        heard = self.model.complete(requests, lambda _, answer: self._on_answer(answer))
        return asyncio.run(heard)


def _reply(first: Answer, second: Answer | None, read: Read[T]) -> Reply[T]:
    if not isinstance(first, Completion):
        return Reply(None, first.reason)
    if second is None:
        return Reply(read(first.text), first.text)
    if not isinstance(second, Completion):
        return Reply(None, second.reason)
    value = read(second.text)
    if value is None:
        return Reply(None, "it answered twice without the line that was asked for.")
    # The reasons stand in the first answer, and what they come to in the second.
    return Reply(value, f"{first.text.strip()}\n{second.text.strip().splitlines()[-1]}")


def _text(answer: Answer) -> str:
    return answer.text if isinstance(answer, Completion) else ""
