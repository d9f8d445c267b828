"""The warm parent: imports JAX once, then forks a sandboxed child for each request.

It never touches a program itself, and it computes nothing with JAX, so that it
has no threads a fork would lose.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reward_synth.reward.sandbox import frames
from reward_synth.reward.sandbox.layers import apply_all

Handler = Callable[[dict[str, Any]], dict[str, Any]]

# A child that has closed its pipe may still be on its way out, which tells why.
_SECONDS_TO_DIE = 1.0

_SAMPLE = {
    "source": (
        'WEIGHTS = {"a": 1.0}\n'
        "def reward(state, action, next_state, w):\n"
        '    terms = {"a": w["a"] * jnp.exp(-jnp.linalg.norm(next_state.x)) + jnp.sum(action)}\n'
        "    return sum(terms.values()), terms\n"
    ),
    "rationale": "",
    "weights": [["a", 1.0]],
    "description": {
        "name": "", "sentence": "", "notes": "", "actions": ["a"], "timestep": 0.1,
        "episode_steps": 1, "terminates": False,
        "fields": [
            {"name": "x", "shape": [2], "unit": "", "frame": "", "meaning": "", "home": [0, 0]}
        ],
    },
}  # fmt: skip


def main(handler: str) -> None:
    """Serve requests from standard input until it is closed.

    Args:
      handler: ``module:function`` that a child runs on a request.
    """
    requests, replies = os.dup(0), os.dup(1)
    _silence()
    warnings.simplefilter("ignore")  # JAX warns of every fork, without knowing that it is idle here
    module, _, name = handler.partition(":")
    handle: Handler = getattr(importlib.import_module(module), name)
    # Children cannot read files, so all that tracing imports on the way is imported here. A
    # child finds out what that is, because tracing would start JAX's threads in this process.
    warm = _in_child(lambda: _modules_after(handle), 60.0, requests, replies)
    for module in warm.get("modules", []):
        _import_quietly(module)
    while True:
        try:
            request = frames.receive(requests)
        except frames.BrokenPipeFrameError:
            return
        timeout_s = float(request["timeout_s"])
        frames.send(
            replies,
            _in_child(
                lambda request=request, timeout_s=timeout_s: _sandboxed(handle, request, timeout_s),
                timeout_s,
                requests,
                replies,
            ),
        )


def _modules_after(handle: Handler) -> dict[str, Any]:
    handle(_SAMPLE)
    return {"modules": sorted(sys.modules)}


def _import_quietly(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001 (aliases and half-made modules are no loss)
        return


def _sandboxed(handle: Handler, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    layers = apply_all(cpu_seconds=int(timeout_s) + 1)
    if request["strict"] and not all(layer.active for layer in layers):
        missing = ", ".join(layer.name for layer in layers if not layer.active)
        return {"died": f"sandbox layers are missing: {missing}"}
    if request["probe"]:
        return {"layers": [[layer.name, layer.active, layer.detail] for layer in layers]}
    return handle(request)


def _in_child(
    work: Callable[[], dict[str, Any]], timeout_s: float, *parents_own: int
) -> dict[str, Any]:
    """Run ``work`` in a fork and return its answer, or ``{"died": why}``."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for handle in (reader, *parents_own):
                os.close(handle)
            os.closerange(writer + 1, 1024)
            frames.send(writer, work())
        except BaseException as error:  # noqa: BLE001 (whatever it is, it ends here)
            with suppress(BaseException):
                frames.send(writer, {"died": f"it raised {type(error).__name__}"})
        finally:
            os._exit(0)
    os.close(writer)
    status = None
    try:
        return frames.receive(reader, timeout_s)
    except TimeoutError:
        return {"died": f"it took more than {timeout_s:g} s"}
    except frames.BrokenPipeFrameError as error:
        status = _status_soon(pid)
        return {"died": _cause_of_death(status) or str(error)}
    finally:
        os.close(reader)
        if status is None:  # else it is collected, and its number may be another's by now
            _end(pid)


def _status_soon(pid: int) -> int | None:
    """Return the exit status of a child that closed its pipe, None if it lives on."""
    deadline = time.monotonic() + _SECONDS_TO_DIE
    while True:
        collected, status = os.waitpid(pid, os.WNOHANG)
        if collected:
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)


def _cause_of_death(status: int | None) -> str:
    """Put an exit status into words; "" if it says nothing."""
    if status is None or not os.WIFSIGNALED(status):
        return ""
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return "it used up its processor time"
    if number in (signal.SIGKILL, signal.SIGABRT, signal.SIGBUS):
        return (
            f"it was ended by {signal.Signals(number).name}, most likely for taking too much memory"
        )
    return f"it crashed with {signal.Signals(number).name}"


def _end(pid: int) -> None:
    """Kill a child and whatever it may have started, and collect it."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def _silence() -> None:
    """Send standard input and both outputs to nowhere: floods included."""
    null = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(null, handle)
    os.close(null)


if __name__ == "__main__":
    main(sys.argv[1])
