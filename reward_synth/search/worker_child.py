"""The other end of a ``Worker``: makes the object and answers calls until nobody asks any more."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from reward_synth.errors import RewardSynthError

# Of the time without a sign of life after which this process is killed; at this part of it
# the log is told what all threads are doing.
_LOOK_BEFORE = 0.8


def main(channel: int, life: int, stall_s: float) -> None:
    """Serve the calls that arrive.

    Args:
      channel: handle of the socket to the caller.
      life: handle of a pipe that is closed when the caller is no more.
      stall_s: seconds of silence during a call after which the caller kills this process.
    """
    os.set_inheritable(channel, False)  # its end must be the end of this process
    _end_with_caller(life, channel)
    faulthandler.enable()  # a segmentation fault says in the log where it was
    _serve(Connection(channel), stall_s)


def _end_with_caller(life: int, channel: int) -> None:
    """Leave a watcher in the process group that kills the group when the caller is no more.

    It is a process and not a thread, because code that hangs may hold Python's lock for ever,
    and not Linux's death signal of the parent, which would miss what this process starts.
    Forked before anything is imported or any thread started, it has next to no memory of
    its own.
    """
    if os.fork():
        os.close(life)
        return
    try:
        os.close(channel)
        os.read(life, 1)  # nothing is ever written
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)


def _serve(channel: Connection, stall_s: float) -> None:
    turn = threading.Lock()

    def tell(*message: Any) -> None:  # noqa: ANN401 (what can be pickled)
        with turn:
            channel.send(message)
        faulthandler.dump_traceback_later(_LOOK_BEFORE * stall_s)

    def attempt(work: Callable[[], tuple[Any, ...]], during: str) -> bool:
        """Do the work and tell what came of it; False if this process is of no more use."""
        faulthandler.dump_traceback_later(_LOOK_BEFORE * stall_s)
        try:
            tell(*work())
        except (RewardSynthError, OSError) as error:  # these say the remedy; the rest is a fault
            traceback.print_exc()
            tell("raised", error)
        except Exception as error:  # noqa: BLE001 (whatever the object may raise)
            traceback.print_exc()
            tell("crashed", type(error).__name__, _last_line(error), during)
            return False
        finally:
            faulthandler.cancel_dump_traceback_later()
        return True

    def progress(*values: Any) -> None:  # noqa: ANN401
        tell("progress", *values)

    factory, args = channel.recv()
    made: list[Any] = []

    def make() -> tuple[Any, ...]:
        made.append(factory(*args, progress))
        return ("ready",)

    useful = attempt(make, "")
    while useful and made:
        try:
            method, args = channel.recv()
        except EOFError:
            return
        useful = attempt(
            lambda method=method, args=args: ("result", getattr(made[0], method)(*args)), method
        )


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1][:200] if lines else ""
