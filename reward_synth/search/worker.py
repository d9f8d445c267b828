"""A process of its own for what may hang or crash: an object there, its methods called from here.

Nothing here imports JAX: the object and all that it imports live in the other process
(``worker_child``), which starts while this one does something else.

The other process cannot outlive this one, however this one ends, nor can what it started
itself: it stands in a process group of its own, with a watcher in the group that kills it
when the pipe that only this process holds open is closed (see ``worker_child``).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from reward_synth.search.failure import Failure, WorkerError

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); " + (
    "from reward_synth.search.worker_child import main; "
    "main(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))"
)
_LOOK_S = 0.25  # between two looks at whether the process still is
_SECONDS_TO_DIE = 10.0  # after SIGKILL; only the kernel can hold a process up then


class Worker:
    """Holds an object in a process of its own and calls its methods.

    Use it as a context manager; the process starts at once, in the background. One that has
    ended, for whatever reason, is started anew by the next call, and the object made again.

    Args:
      factory: makes the object, ``factory(*args, on_progress)``; a function of a module, for
        the other process imports it. ``on_progress`` may be called with anything that can be
        pickled, from any thread; it arrives at the ``on_progress`` of the call under way.
      args: for the factory; pickled.
      stall_s: seconds without a sign of life (that the object is made, progress, an answer)
        after which the process counts as hung during a call.
      log: file that the process's output is appended to: warnings, tracebacks, and where it
        was when it hung or crashed.
    """

    def __init__(
        self, factory: Callable[..., object], args: Sequence[Any], *, stall_s: float, log: Path
    ) -> None:
        self._service = (factory, tuple(args))
        self._stall_s = stall_s
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Connection | None = None
        self._life = -1
        self._ready = False

    def __enter__(self) -> Worker:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process and all that it started."""
        self.close()

    def close(self) -> None:
        """End the process and all that it started; the next call starts another."""
        self._stop()

    @property
    def pid(self) -> int | None:
        """The process's id, which is its group's as well; None if there is none."""
        return None if self._process is None else self._process.pid

    def call(
        self,
        method: str,
        *args: Any,  # noqa: ANN401 (whatever the method takes)
        on_progress: Callable[..., None] = lambda *_: None,
    ) -> Any:  # noqa: ANN401 (and returns)
        """Call a method of the object and return what it returns.

        Args:
          method: its name.
          args: pickled.
          on_progress: called here, in the calling thread, with what the object reports. If it
            raises, or Ctrl-C does, the process is ended at once and the exception goes on.

        Raises:
          WorkerError: the process hung or crashed; nothing of it is left.
          RewardSynthError, OSError: raised by the method, and passed on as they are.
        """
        try:
            self._revive()
            kind, *values = self._wait_for_the_object()
            if kind == "ready":
                self._send((method, args), method)
                kind, *values = self._receive(method)
            while kind == "progress":
                on_progress(*values)
                kind, *values = self._receive(method)
            if kind == "crashed":
                error, text, during = values
                raise WorkerError(Failure.raised(error, text, during, self._log))
        except BaseException:
            self._stop()
            raise
        if kind == "raised":
            if not self._ready:
                self._stop()  # there is no object to call
            raise values[0]
        return values[0]

    def _wait_for_the_object(self) -> tuple[Any, ...]:
        """Return ("ready",), or the message that says why there is no object."""
        message: tuple[Any, ...] = ("ready",)
        if not self._ready:
            message = self._receive("")
            while message[0] == "progress":  # nobody asked yet
                message = self._receive("")
            self._ready = message[0] == "ready"
        return message

    def _revive(self) -> None:
        """Start the process if there is none, or if it died while nobody needed it."""
        if self._process is None or (self._ready and self._process.poll() is not None):
            self._stop()
            self._start()

    def _start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        here, there = socket.socketpair()
        watched, self._life = os.pipe()
        # A process that is stopped in the middle of a message must not hold this one up.
        limit = struct.pack("ll", int(self._stall_s) + 1, 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            here.setsockopt(socket.SOL_SOCKET, option, limit)
        self._channel = Connection(here.detach())
        handles = (there.fileno(), watched)
        arguments = [json.dumps(sys.path), *map(str, handles), str(self._stall_s)]
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _START, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=handles,
                    # A session and group of its own: Ctrl-C is for this process, which then
                    # ends the other; and a group can be killed with all that is in it.
                    start_new_session=True,
                )
        finally:
            there.close()
            os.close(watched)
        self._ready = False
        with suppress(OSError):  # dead or hung already: the first call finds out which
            self._channel.send(self._service)

    def _stop(self) -> None:
        """Kill the process and its group; what it writes is whole or not there, at any moment."""
        process, self._process = self._process, None
        channel, self._channel = self._channel, None
        life, self._life = self._life, -1
        if life >= 0:
            os.close(life)  # first: what follows can be interrupted, and the watcher not
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies are left
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_DIE)
        if channel is not None:
            channel.close()

    def _send(self, message: tuple[Any, ...], during: str) -> None:
        assert self._channel is not None
        try:
            self._channel.send(message)
        except BlockingIOError:
            raise self._hung(during) from None
        except OSError:
            raise self._ended(during) from None

    def _receive(self, during: str) -> tuple[Any, ...]:
        """Return the next message; raises ``WorkerError`` if none comes."""
        assert self._channel is not None
        assert self._process is not None
        until = time.monotonic() + self._stall_s
        try:
            while not self._channel.poll(max(0.0, min(_LOOK_S, until - time.monotonic()))):
                # Something that it started may hold its end of the channel open.
                if self._process.poll() is not None and not self._channel.poll():
                    raise self._ended(during)
                if time.monotonic() >= until:
                    raise self._hung(during)
            return self._channel.recv()
        except BlockingIOError:
            raise self._hung(during) from None
        except (EOFError, OSError):
            raise self._ended(during) from None

    def _hung(self, during: str) -> WorkerError:
        return WorkerError(Failure.silent(self._stall_s, during, self._log))

    def _ended(self, during: str) -> WorkerError:
        assert self._process is not None
        try:
            code = self._process.wait(_SECONDS_TO_DIE)
        except subprocess.TimeoutExpired:  # it closed the channel, and stays
            return self._hung(during)
        return WorkerError(Failure.ended(code, during, self._log))
