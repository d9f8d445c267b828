"""When a request is sent again, and after what pause."""

from __future__ import annotations

import asyncio
import logging

import tenacity

from reward_synth.propose.llm import troubles
from reward_synth.propose.llm.settings import ModelSettings

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5  # doubles with every attempt
# The money for an answer that was lost on the way may be spent again once, not `retries` times.
MOST_ATTEMPTS_IF_BILLED = 2


def retrying(settings: ModelSettings, stopping: asyncio.Event) -> tenacity.AsyncRetrying:
    """Return the retry policy of one request.

    Passing troubles (rate limits, 5xx, lost connections, timeouts, malformed answers) are
    retried: after the pause that the server asks for, else after a growing one. A pause above
    ``max_wait_s`` is not waited for. The last error is raised as it is.

    Args:
      settings: how often, how long.
      stopping: once set, nothing is sent again.
    """
    backoff = tenacity.wait_exponential_jitter(
        multiplier=FIRST_PAUSE_S, jitter=FIRST_PAUSE_S, max=settings.max_wait_s
    )

    def pause(state: tenacity.RetryCallState) -> float:
        asked = troubles.retry_after(_error(state))
        return backoff(state) if asked is None else asked

    def enough(state: tenacity.RetryCallState) -> bool:
        error = _error(state)
        most = settings.retries + 1
        if troubles.maybe_billed(error):
            most = min(most, MOST_ATTEMPTS_IF_BILLED)
        asked = troubles.retry_after(error) or 0.0
        return stopping.is_set() or state.attempt_number >= most or asked > settings.max_wait_s

    def tell(state: tenacity.RetryCallState) -> None:
        kind = troubles.failure(_error(state), settings, state.attempt_number).kind
        log.info("%s: %s; asking again in %.1f s.", settings.model, kind, state.upcoming_sleep)

    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(troubles.passing),
        wait=pause,
        stop=enough,
        before_sleep=tell,
        reraise=True,
    )


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None  # tenacity asks about failed attempts only
    return error
