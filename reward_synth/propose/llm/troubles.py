"""What can go wrong between us and a chat server, and how each is said to the user."""

from __future__ import annotations

import email.utils
import os
import re
import time
from collections.abc import Collection, Mapping
from typing import TypeGuard

import httpx2
import openai

from reward_synth.propose.llm.records import Failure, FailureKind
from reward_synth.propose.llm.settings import ModelSettings

CAPS = ("max_tokens", "max_completion_tokens")
_LONGEST_QUOTE = 200
_TOO_LONG = "maximum context length"
_UNKNOWN_MODEL = re.compile(
    r"model\b.*\b(not found|does not exist|not a valid model|not exist)|(invalid|unknown) model",
    re.I,
)
# How servers say that a model takes no images (OpenAI, OpenRouter, vLLM, llama.cpp, Ollama, and
# those whose messages are text and nothing else), and how vLLM says that it takes fewer.
_BLIND = re.compile(
    r"image_url is only supported|support image input|image input is not supported|"
    r"not support (images|vision|image)|not a multi-?modal|at most 0 image|"
    r"missing data required for image|(content|input)\b.*should be a (valid )?string|"
    r"content must be a string|expected a string|unknown (content )?(part|type)\W+image_url",
    re.I,
)
_TOO_MANY_IMAGES = re.compile(r"at most \d+ image|too many images", re.I)


class MalformedAnswerError(Exception):
    """A 200 that is not a chat completion; the argument says what it is instead."""


def encodable(text: str) -> str:
    """Return the text without the half characters that JSON can hold and no file can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """Return the text on one line, cut to what fits into a message."""
    flat = " ".join(encodable(text).split())
    return flat if len(flat) <= _LONGEST_QUOTE else flat[: _LONGEST_QUOTE - 3] + "..."


def opening(body: bytes) -> str:
    """Return how an answer that cannot be read begins."""
    start = " ".join(body[:200].decode(errors="replace").split())
    return f"it starts with {start[:60]!r}" if start else "it is empty"


def words(error: openai.APIStatusError) -> str:
    """Return ``status: what the server said``, on one line and without our API key."""
    body = error.body
    # OpenAI nests {"error": {"message"}} (unwrapped by the client), Ollama says {"error": text},
    # FastAPI {"detail": text}, proxies send HTML.
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or dict(body)
    said = str(body or "").rstrip(" .")
    key = error.response.request.headers.get("authorization", "").removeprefix("Bearer ")
    if len(key) > 8:  # some gateways quote it back, and this goes to logs
        said = said.replace(key, "***")
    said = one_line(said)
    return f"{error.status_code}: {said}" if said else str(error.status_code)


def unreachable(error: BaseException) -> bool:
    """Whether no connection to the server could be made at all."""
    return isinstance(error, openai.APIConnectionError) and isinstance(
        error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout
    )


def timed_out(error: BaseException) -> bool:
    """Whether the server took a connection and then too long."""
    return isinstance(error, TimeoutError | openai.APITimeoutError) and not unreachable(error)


def out_of_credit(error: BaseException) -> TypeGuard[openai.APIStatusError]:
    """Whether only money helps."""
    return isinstance(error, openai.APIStatusError) and (
        error.status_code == 402 or error.code == "insufficient_quota"
    )


def unknown_model(error: BaseException) -> TypeGuard[openai.APIStatusError]:
    """Whether the server has no such model, or no such address: both are a 404."""
    return isinstance(error, openai.APIStatusError) and (
        error.status_code == 404
        or error.code == "model_not_found"
        or (error.status_code in (400, 422) and bool(_UNKNOWN_MODEL.search(words(error))))
    )


def passing(error: BaseException) -> bool:
    """Whether sending the same request again may help."""
    if isinstance(error, openai.APIStatusError):
        return not out_of_credit(error) and (
            error.status_code in (408, 409, 429) or error.status_code >= 500
        )
    return isinstance(error, openai.APIConnectionError | TimeoutError | MalformedAnswerError)


def maybe_billed(error: BaseException) -> bool:
    """Whether the server may have written, and charged for, an answer that we did not get."""
    return timed_out(error) or isinstance(error, MalformedAnswerError)


def retry_after(error: BaseException) -> float | None:
    """Return how many seconds the server asks us to wait, None if it does not say.

    The header holds seconds or an HTTP date (RFC 9110, section 10.2.3).
    """
    if not isinstance(error, openai.APIStatusError):
        return None
    value = error.response.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = date.timestamp() - time.time()
    # A date in the past, or a clock ahead of the server's, means now; NaN compares false.
    return seconds if seconds > 0 else 0.0


def refused_parameter(error: openai.APIStatusError, sent: Collection[str]) -> str | None:
    """Return which of the optional parameters that were sent the server will not have."""
    if error.status_code not in (400, 422):
        return None
    if error.param in sent:
        return error.param
    said = str(error.body)
    for name in sent:
        if re.search(rf"\b{name}\b", said):
            return name
    # vLLM, when prompt and cap together pass the context, may not name the parameter.
    if _TOO_LONG in said:
        return next((cap for cap in CAPS if cap in sent), None)
    return None


def unseeing(error: BaseException, settings: ModelSettings) -> str | None:
    """Say what to mend if the server will not show its model our images; None if it does.

    Such an answer may come with any status: 400, 404 from OpenRouter, 500 from llama.cpp.
    """
    if not isinstance(error, openai.APIStatusError):
        return None
    url, section, said = settings.base_url, settings.section, str(error.body)
    if _BLIND.search(said):
        return (
            f"{url} shows {settings.model} no images ({words(error)}): set {section}.model to a "
            "vision-language model."
        )
    if _TOO_MANY_IMAGES.search(said):
        return (
            f"{url} shows {settings.model} fewer images at once ({words(error)}): lower "
            f"{section}.instants or {section}.cameras, or set {section}.contact_sheet=true."
        )
    return None


def hopeless(error: BaseException, settings: ModelSettings) -> str | None:
    """Say what the user has to mend before any request can succeed; None if there is nothing."""
    url, section = settings.base_url, settings.section
    if unreachable(error):
        fix = f"check {section}.base_url and the network"
        if settings.start_hint:
            command = settings.start_hint.format(model=settings.model)
            fix = f"start it with `{command}`, or set {section}.base_url to where it runs"
        return f"cannot connect to {url} ({cause(error)}): {fix}."
    if out_of_credit(error):
        return (
            f"{url} will not answer without payment ({words(error)}): "
            f"add credit to the account, or use another {section}."
        )
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        fix = f"put a valid key into {settings.key_variable}"
        if not settings.key_variable:
            fix = f"name the variable that holds the key with {section}.key_variable"
        return f"{url} refused the API key ({words(error)}): {fix}."
    return None


def failure(error: BaseException, settings: ModelSettings, attempts: int) -> Failure:
    """Say why one request was given up on.

    Args:
      error: one of openai's, a ``TimeoutError`` or a ``MalformedAnswerError``.
      settings: to name the server and the settings that help.
      attempts: how often the request was sent.
    """
    url, section = settings.base_url, settings.section
    tried = f"tried {attempts} times" if attempts > 1 else "tried once"
    if isinstance(error, openai.APIStatusError):
        return _status_failure(error, settings, tried)
    if timed_out(error):
        return Failure(
            FailureKind.TIMEOUT,
            f"{url} gave no full answer within {settings.timeout_s:g} s ({tried}): "
            f"raise {section}.timeout_s, or lower {section}.concurrency or {section}.max_tokens.",
        )
    if isinstance(error, MalformedAnswerError):
        return Failure(
            FailureKind.MALFORMED,
            f"{url} sent something that is not a chat completion ({error}; {tried}): "
            f"check {section}.base_url.",
        )
    return Failure(
        FailureKind.CONNECTION,
        f"{url} broke off the connection ({cause(error)}; {tried}): see the server's log.",
    )


def _status_failure(error: openai.APIStatusError, settings: ModelSettings, tried: str) -> Failure:
    url, section, said = settings.base_url, settings.section, words(error)
    wait = retry_after(error)
    if passing(error) and wait is not None and wait > settings.max_wait_s:
        return Failure(
            FailureKind.RATE_LIMITED,
            f"{url} asks for a pause of {wait:.0f} s ({said}), longer than "
            f"{section}.max_wait_s={settings.max_wait_s:g}: raise it, or come back later.",
        )
    if error.status_code == 429:
        return Failure(
            FailureKind.RATE_LIMITED,
            f"{url} limits our rate ({said}; {tried}): lower {section}.concurrency or raise "
            f"{section}.retries.",
        )
    if passing(error):
        return Failure(
            FailureKind.SERVER,
            f"{url} is failing ({said}; {tried}): see the server's log, or try later.",
        )
    if "content_filter" in (error.code, error.type):
        return Failure(FailureKind.FILTERED, f"{url} filtered the request out ({said}).")
    fix = f"check {section}.base_url"
    if _TOO_LONG in said:
        fix = "the prompt does not fit, so choose a model with a longer context"
    elif error.status_code in (400, 422):
        fix = f"check {section}.model, {section}.temperature and {section}.max_tokens"
    return Failure(FailureKind.REFUSED, f"{url} refused the request ({said}): {fix}.")


def cause(error: BaseException) -> str:
    """Return the innermost reason of a connection error, on one line."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text says "Connect call failed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(str(error)) or type(error).__name__
