"""The sandbox as the rest of the program uses it; does not import JAX."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from reward_synth.errors import SandboxError
from reward_synth.records import Rejection, RewardProgram, Stage, TaskDescription, TracedReward
from reward_synth.reward.lint import lint
from reward_synth.reward.parse import MOST_TERMS, is_name
from reward_synth.reward.sandbox import frames
from reward_synth.reward.sandbox.layers import ENVIRONMENT, Layer

_HANDLER = "reward_synth.reward.sandbox.child:trace_request"
_START = "import json,sys; sys.path[:] = json.loads(sys.argv[2]); " + (
    "from reward_synth.reward.sandbox.server import main; main(sys.argv[1])"
)
_STARTUP_S = 120.0


class Sandbox:
    """Traces reward programs in short-lived children that can do no harm; see the package.

    Use ``Sandbox.start`` as a context manager.

    Attributes:
      layers: what protects on this machine, as a child found it.
    """

    def __init__(self, strict: bool, handler: str) -> None:
        self._strict = strict
        self._handler = handler
        self._server: subprocess.Popen[bytes] | None = None
        self.layers: tuple[Layer, ...] = ()

    @classmethod
    @contextmanager
    def start(cls, *, strict: bool = False, handler: str = _HANDLER) -> Iterator[Sandbox]:
        """Start the warm parent and find out which layers this machine offers.

        Args:
          strict: fail if a layer is missing, rather than go on and say so in ``table``.
          handler: what a child runs on a request; another one only in tests.

        Raises:
          SandboxError: a layer is missing and ``strict`` is set, or nothing could be started.
        """
        sandbox = cls(strict, handler)
        try:
            sandbox.layers = sandbox._probe()
            missing = [layer for layer in sandbox.layers if not layer.active]
            if missing and strict:
                raise SandboxError(
                    f"sandbox=strict, but this machine lacks {_listed(missing)}. Use a kernel that "
                    "has them, or sandbox=auto to go on with the others."
                )
            yield sandbox
        finally:
            sandbox._stop()

    def trace(
        self, program: RewardProgram, description: TaskDescription, timeout_s: float = 20.0
    ) -> TracedReward | Rejection:
        """Lint a program, then trace it in a child.

        The bytes that come back are still not trusted: whoever loads them checks
        them first (``reward.verify``).
        """
        return lint(program, description) or self.trace_unchecked(program, description, timeout_s)

    def trace_unchecked(
        self, program: RewardProgram, description: TaskDescription, timeout_s: float = 20.0
    ) -> TracedReward | Rejection:
        """Trace without lint, which is not the boundary; the child is."""
        answer = self.ask(
            {
                "source": program.source,
                "rationale": program.rationale,
                "weights": program.weights,
                "description": asdict(description),
            },
            timeout_s,
        )
        return _parse(answer, program)

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Have a child answer a request; ``{"died": why}`` if it could not."""
        message = {"strict": self._strict, "probe": False, "timeout_s": timeout_s} | request
        for _ in range(2):
            server = self._running()
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                frames.send(server.stdin.fileno(), message)
                return frames.receive(
                    server.stdout.fileno(), timeout_s + 10.0, frames.MOST_FORWARDED_BYTES
                )
            except (frames.BrokenPipeFrameError, TimeoutError):
                self._stop()  # and once more with a new one: it may have been somebody else's end
        return {"died": "the sandbox's parent process died twice with it"}

    def table(self) -> str:
        """Return the layers as lines of text, to be printed once."""
        width = max(len(layer.name) for layer in self.layers)
        lines = [
            f"  {layer.name:<{width}}  {'on ' if layer.active else 'OFF'}  {layer.detail}"
            for layer in self.layers
        ]
        return "\n".join(["Reward programs are traced in a sandbox:", *lines])

    def _probe(self) -> tuple[Layer, ...]:
        # The first answer waits for the import of JAX.
        answer = self.ask({"probe": True, "strict": False}, _STARTUP_S)
        if "layers" not in answer:
            raise SandboxError(
                f"the sandbox could not be started: {answer.get('died', answer)}. Is JAX installed?"
            )
        clock = Layer("wall clock", True, "20 s, then the child is killed")
        return (*(Layer(*layer) for layer in answer["layers"]), clock)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-c", _START, self._handler, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
                # Ctrl-C is for the run, which then ends the sandbox itself.
                start_new_session=True,
            )
        return self._server

    def _stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.kill()
        server.wait()
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()


def _parse(answer: dict[str, Any], program: RewardProgram) -> TracedReward | Rejection:
    """Read a child's answer, which a hostile program may have written."""
    died, reason = answer.get("died"), answer.get("reason")
    if isinstance(died, str):
        return Rejection(
            Stage.TRACE,
            f"tracing the program was stopped: {_printable(died[:200])}. Use short, fixed loops "
            "and small arrays.",
        )
    if isinstance(reason, str):
        return Rejection(Stage.TRACE, _printable(reason[:2000]))
    terms, arrays = answer.get("terms"), answer.get("arrays")
    unusable = Rejection(Stage.TRACE, "tracing the program gave no usable answer.")
    if not (isinstance(terms, list) and terms and isinstance(arrays, str)):
        return unusable
    if not all(is_name(term) for term in terms) or not len(set(terms)) == len(terms) <= MOST_TERMS:
        return unusable
    return TracedReward(program, tuple(terms), arrays.encode("utf-8", "replace"))


def _printable(text: str) -> str:
    """Take out what no file can hold and what a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _listed(layers: list[Layer]) -> str:
    return ", ".join(f"{layer.name} ({layer.detail})" for layer in layers)
