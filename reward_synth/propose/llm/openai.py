"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama, gateways."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx2
import openai
import tenacity

from reward_synth.errors import ModelError, did_you_mean
from reward_synth.propose.llm import troubles
from reward_synth.propose.llm.price import Usage, dollars
from reward_synth.propose.llm.records import (
    MALFORMED,
    Answer,
    Completion,
    Failure,
    OnAnswer,
    Request,
    judged,
)
from reward_synth.propose.llm.retry import retrying
from reward_synth.propose.llm.settings import ModelSettings

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
MOST_MODELS_LISTED = 12

# What reading JSON of any shape may raise; OverflowError if a number of tokens is 1e999.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError)


class OpenAIModel:
    """A chat model behind an OpenAI-compatible server.

    Every sample is a request of its own, since many servers ignore ``n``. The first request of
    all goes alone: a wrong key or model costs one request, and a parameter that the server
    refuses is found out once.

    Args:
      settings: server, model and sampling.
      api_key: the key, ``""`` for a server that wants none.
      before_request: called before each request is first sent; raising (``BudgetError``, say)
        stops the rest of the batch, and what is in flight is still delivered.

    Raises:
      ModelError: the settings cannot work.
    """

    def __init__(
        self,
        settings: ModelSettings,
        api_key: str = "",
        before_request: Callable[[], None] | None = None,
    ) -> None:
        _check(settings, api_key)
        self.settings = settings
        self._api_key = api_key
        self._before_request = before_request
        self._reached = False
        wanted = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
        self._parameters: dict[str, Any] = {k: v for k, v in wanted.items() if v is not None}

    @property
    def name(self) -> str:
        """The model's name on the server."""
        return self.settings.model

    @property
    def identity(self) -> Mapping[str, str | float | None]:
        """Server, model and sampling parameters as the user set them."""
        s = self.settings
        return {
            "base_url": s.base_url,
            "model": s.model,
            "temperature": s.temperature,
            "max_tokens": s.max_tokens,
        }

    async def complete(self, requests: Sequence[Request], on_answer: OnAnswer) -> list[Answer]:
        """Answer every request; see ``LanguageModel.complete``."""
        if not requests:
            return []
        answers: dict[int, Answer] = {}
        todo = iter(range(len(requests)))  # shared: each worker takes the next index
        stopping = asyncio.Event()

        async def settle(client: openai.AsyncOpenAI, index: int) -> None:
            answer = await self._answer(client, requests[index], stopping)
            if not self._reached and isinstance(answer, Failure) and answer.completion is None:
                raise ModelError(answer.reason)  # nothing ever worked: the others would fail too
            self._reached = True
            answers[index] = answer
            on_answer(index, answer)

        async def work(client: openai.AsyncOpenAI) -> None:
            for index in todo:
                await settle(client, index)

        async with self._client() as client:
            if not self._reached:
                await settle(client, next(todo))
            workers = min(self.settings.concurrency, len(requests))
            await _all([work(client) for _ in range(workers)], todo, stopping)
        return [answers[index] for index in range(len(requests))]

    def _client(self) -> openai.AsyncOpenAI:
        timeout = self.settings.timeout_s
        return openai.AsyncOpenAI(
            base_url=self.settings.base_url,
            api_key=self._api_key or "none",  # the client insists on one
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_S)),
            max_retries=0,  # tenacity retries, where the policy can be read
        )

    async def _answer(
        self, client: openai.AsyncOpenAI, request: Request, stopping: asyncio.Event
    ) -> Answer:
        """Answer one request, with retries, or raise ``ModelError`` if none can be answered."""
        if self._before_request is not None:
            self._before_request()
        while True:  # ends: every turn but the last takes a parameter away
            sent = dict(self._parameters)
            policy = retrying(self.settings, stopping)
            try:
                completion = await policy(self._attempt, client, request, sent)
                return judged(completion, self.settings.section)
            except openai.APIStatusError as error:
                refused = troubles.refused_parameter(error, sent)
                if refused is None:
                    return await self._give_up(client, request, error, policy)
                self._do_without(refused, error)
            except (openai.APIError, TimeoutError, troubles.MalformedAnswerError) as error:
                return await self._give_up(client, request, error, policy)

    async def _attempt(
        self, client: openai.AsyncOpenAI, request: Request, parameters: Mapping[str, Any]
    ) -> Completion:
        messages: Any = [message.wire for message in request.messages]
        start = time.monotonic()
        # The client's own timeout is for each read: a server that trickles would never meet it.
        async with asyncio.timeout(self.settings.timeout_s):
            response = await client.chat.completions.with_raw_response.create(
                model=self.settings.model, messages=messages, **parameters
            )
        seconds = time.monotonic() - start
        body = response.content
        try:
            return self._read(json.loads(body), seconds)
        except (*_UNREADABLE, RecursionError) as error:
            raise troubles.MalformedAnswerError(troubles.opening(body)) from error

    def _read(self, data: Any, seconds: float) -> Completion:  # noqa: ANN401
        """Read a response's JSON; anything may be missing from it, and then this raises."""
        usage = Usage.read(data.get("usage"))
        model = troubles.encodable(str(data.get("model") or self.settings.model))
        try:
            text, finish_reason = _choice(data)
        except _UNREADABLE:
            if usage is None or not usage.prompt + usage.completion:
                raise  # it cost nothing, so it can be asked for again
            text, finish_reason = "", MALFORMED
        return Completion(
            text=text,
            model=model,
            prompt_tokens=usage.prompt if usage else 0,
            completion_tokens=usage.completion if usage else 0,
            dollars=dollars(self.settings, model, usage),
            finish_reason=finish_reason,
            seconds=seconds,
        )

    def _do_without(self, refused: str, error: openai.APIStatusError) -> None:
        """Drop a parameter from now on, unless another request has just done so."""
        if refused not in self._parameters:
            return
        value = self._parameters.pop(refused)
        instead = "its own default"
        if refused == "max_tokens" and "max_completion_tokens" in str(error.body):
            self._parameters["max_completion_tokens"] = value
            instead = "max_completion_tokens"
        log.warning(
            "%s refuses %s=%s for %s (%s): going on with %s.",
            self.settings.base_url,
            refused,
            value,
            self.settings.model,
            troubles.words(error),
            instead,
        )

    async def _give_up(
        self,
        client: openai.AsyncOpenAI,
        request: Request,
        error: Exception,
        policy: tenacity.AsyncRetrying,
    ) -> Failure:
        """Return this request's failure, or raise ``ModelError`` if it is everyone's."""
        unseeing = troubles.unseeing(error, self.settings) if request.shows else None
        if unseeing is not None:
            raise ModelError(unseeing) from error
        if troubles.unknown_model(error):
            raise ModelError(await self._unknown_model(client, troubles.words(error))) from error
        mend = troubles.hopeless(error, self.settings)
        if mend is not None:
            raise ModelError(mend) from error
        return troubles.failure(error, self.settings, policy.statistics["attempt_number"])

    async def _unknown_model(self, client: openai.AsyncOpenAI, said: str) -> str:
        s = self.settings
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                known = sorted(m.id for m in (await client.models.list()).data)
        except (openai.APIError, TimeoutError, ValueError, TypeError, AttributeError):
            known = []  # the list is a courtesy; its failure must not hide the first one
        if not known:
            return (
                f"{s.base_url} does not know model {s.model!r} or is no chat server ({said}): "
                f"check {s.section}.model, and that {s.section}.base_url is right (it usually "
                "ends in /v1)."
            )
        listed = ", ".join(known[:MOST_MODELS_LISTED])
        more = ", ..." if len(known) > MOST_MODELS_LISTED else ""
        return (
            f"{s.base_url} has no model {s.model!r}.{did_you_mean(s.model, known)} "
            f"Set {s.section}.model to one of: {listed}{more}."
        )


def _choice(data: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return the text and the finish reason of a response's JSON, or raise."""
    choice = data["choices"][0]
    message = choice["message"]
    text = message.get("content") or message.get("refusal") or ""
    if not isinstance(text, str):
        raise TypeError("the content is not text.")
    finish_reason = str(choice.get("finish_reason") or "stop")
    return troubles.encodable(text), troubles.encodable(finish_reason)


async def _all(workers: Sequence[Any], todo: Iterator[int], stopping: asyncio.Event) -> None:
    """Run the workers; if one raises, let the others finish what they have in flight."""
    tasks = [asyncio.create_task(worker) for worker in workers]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    if pending:
        stopping.set()
        for _ in todo:
            pass  # nothing new is asked; what was sent is paid for, so it is waited for
        await asyncio.wait(pending)
    errors = [error for task in tasks if (error := task.exception())]
    if errors:
        raise errors[0]


def _check(settings: ModelSettings, api_key: str) -> None:
    if not settings.model:
        raise ModelError(
            f"{settings.label} needs to know the model: set {settings.section}.model to its name "
            f"on {settings.base_url}."
        )
    try:
        address = httpx2.URL(settings.base_url)
        usable = address.scheme in ("http", "https") and bool(address.host)
    except httpx2.InvalidURL:
        usable = False
    if not usable:
        raise ModelError(
            f"{settings.section}.base_url={settings.base_url!r} is not a web address: "
            "write it like http://127.0.0.1:8000/v1."
        )
    if settings.key_variable and not api_key:
        other = "choose llm=ollama, llm=vllm or llm=offline"
        if settings.section != "llm":
            other = f"set {settings.section}.base_url to a server that wants none"
        raise ModelError(
            f"{settings.label} needs an API key: set the environment variable "
            f"{settings.key_variable}, or {other}."
        )
    # httpx would blame the connection for a header that it cannot send.
    if not (api_key.isascii() and api_key.isprintable()):
        raise ModelError(
            f"the API key in {settings.key_variable} has characters that no key has: copy it again."
        )
