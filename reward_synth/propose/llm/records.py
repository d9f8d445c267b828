"""What is asked of a language model and what comes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

from reward_synth.propose.llm.images import Image, parts


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat.

    Attributes:
      role: whose turn it is.
      content: what is said.
      images: what is shown, in the order of their marks in ``content``.

    Raises:
      ValueError: the marks do not fit the images.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[Image, ...] = ()

    def __post_init__(self) -> None:
        for _ in parts(self.content, self.images):
            pass  # it raises if they do not fit

    def to_json(self) -> dict[str, Any]:
        """Return what is kept of it, JSON-ready: of an image its name and hash."""
        kept: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.images:
            kept["images"] = [{"name": i.name, "sha256": i.digest} for i in self.images]
        return kept

    @property
    def wire(self) -> dict[str, Any]:
        """The message as a chat server takes it."""
        if not self.images:
            return {"role": self.role, "content": self.content}
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": part.url}}
            for part in parts(self.content, self.images)
        ]
        return {"role": self.role, "content": content}


@dataclass(frozen=True, slots=True)
class Request:
    """One answer that is wanted.

    Attributes:
      messages: the chat so far.
      sample: tells independent samples of the same messages apart, so that each is cached
        under its own key.
    """

    messages: tuple[Message, ...]
    sample: int

    def to_json(self) -> dict[str, Any]:
        """Return what is kept of it, JSON-ready; see ``Message.to_json``."""
        return {"messages": [m.to_json() for m in self.messages], "sample": self.sample}

    @property
    def shows(self) -> bool:
        """Whether there is anything to see."""
        return any(message.images for message in self.messages)


@dataclass(frozen=True, slots=True)
class Completion:
    """A language model's answer and what it took.

    Attributes:
      text: the answer.
      model: the model that gave it, as the server names it.
      prompt_tokens: tokens read; 0 if the server does not count them.
      completion_tokens: tokens written, reasoning included; 0 if the server does not count them.
      dollars: what the answer cost when it was first given; None if no price is known.
      finish_reason: the server's word: "stop", "length", "content_filter", ...; ours for an
        answer that was charged for and cannot be read: "malformed".
      seconds: from sending the request to having the answer.
      cached: whether it was paid for earlier and is only read back.
    """

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    finish_reason: str
    seconds: float
    cached: bool = False

    @property
    def new_dollars(self) -> float | None:
        """Dollars spent by this use of the answer: none if it is read back."""
        return 0.0 if self.cached else self.dollars

    @property
    def receipt(self) -> str:
        """Tells this answer from all others, however often it is read back.

        Equal texts differ in the time they took, which is known to the nanosecond.
        """
        kept = json.dumps(asdict(replace(self, cached=False)), sort_keys=True)
        return hashlib.sha256(kept.encode()).hexdigest()[:16]


class FailureKind(StrEnum):
    """Why a request brought no usable answer."""

    TRUNCATED = "truncated"
    EMPTY = "empty"
    FILTERED = "filtered"
    REFUSED = "refused"
    MALFORMED = "malformed"
    RATE_LIMITED = "rate_limited"
    SERVER = "server"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MODEL = "model"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that brought no usable answer.

    Attributes:
      kind: the reason in one word.
      reason: the reason in one line.
      completion: what did arrive and was paid for (the cut-off text, say); None if nothing did.
    """

    kind: FailureKind
    reason: str
    completion: Completion | None = None


MALFORMED = FailureKind.MALFORMED.value

Answer: TypeAlias = Completion | Failure
OnAnswer: TypeAlias = Callable[[int, Answer], None]


class LanguageModel(Protocol):
    """Answers chats."""

    @property
    def name(self) -> str:
        """The model's name, for people."""
        ...

    @property
    def identity(self) -> Mapping[str, str | float | None]:
        """All that shapes the answers besides the request; part of the cache's key. No secrets."""
        ...

    async def complete(self, requests: Sequence[Request], on_answer: OnAnswer) -> list[Answer]:
        """Answer every request, several at a time; other models may answer theirs meanwhile.

        Args:
          requests: what to answer.
          on_answer: called with (index into ``requests``, answer) as each one arrives, in any
            order, on the event loop's thread.

        Returns:
          The answers in the order of ``requests``. A request that fails takes its own place as
          a ``Failure`` and touches no other.

        Raises:
          ModelError: no request can succeed until the user mends something. Answers that
            arrived before were handed to ``on_answer``.
        """
        ...


def judged(completion: Completion, section: str = "llm") -> Answer:
    """Return the completion, or the failure that contains it if it cannot be used.

    Args:
      completion: what came back.
      section: of the configuration, in which the model is set up.
    """
    if completion.finish_reason == "length":
        return Failure(
            FailureKind.TRUNCATED,
            f"the answer was cut off after {completion.completion_tokens} tokens: "
            f"raise {section}.max_tokens (reasoning counts towards it).",
            completion,
        )
    if completion.finish_reason == "content_filter":
        return Failure(
            FailureKind.FILTERED, "the server's content filter withheld the answer.", completion
        )
    if completion.finish_reason == MALFORMED:
        return Failure(
            FailureKind.MALFORMED,
            "the server charged for an answer, but sent none that can be read: "
            f"check {section}.base_url.",
            completion,
        )
    if not completion.text.strip():
        return Failure(FailureKind.EMPTY, "the answer was empty.", completion)
    return completion
