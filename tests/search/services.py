"""Objects for a worker process to hold, of all characters."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

from reward_synth.errors import BudgetError, TaskError


class Service:
    def __init__(self, on_progress):
        self.on_progress = on_progress
        self.calls = 0

    def add(self, *numbers):
        return sum(numbers)

    def count(self):
        self.calls += 1
        return self.calls

    def pid(self):
        return os.getpid()

    def modules(self):
        return sorted(sys.modules)

    def report(self, times, pause=0.0):
        times, pause = int(times), float(pause)  # from a command line, too
        for i in range(times):
            self.on_progress(i, f"step {i}")
            time.sleep(pause)
        return times

    def big(self, size):
        return b"x" * size

    def thread_report(self, times):
        threads = [threading.Thread(target=self.report, args=(times,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def noise(self):
        print("printed")
        warnings.warn("warned of", stacklevel=1)
        os.write(2, b"written past Python\n")

    def hang(self):
        self.on_progress("begun")
        time.sleep(1e6)

    def hang_deaf(self):
        """Hangs in C with Python's lock held, and ignores polite signals."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.on_progress("begun")
        ctypes.PyDLL(None).sleep(10**6)

    def stop_oneself(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def long_message(self, size):
        self.on_progress("begun")
        self.on_progress(b"x" * size)

    def kill_oneself(self, number):
        os.kill(os.getpid(), number)
        time.sleep(1e6)

    def null_pointer(self):
        ctypes.string_at(0)

    def leave(self, code):
        os._exit(code)

    def raise_budget(self):
        raise BudgetError("the budget of 3 apples is used up.")

    def raise_disk(self):
        raise OSError(28, "No space left on device", "policy.npz")

    def raise_bug(self):
        raise ZeroDivisionError("first line\nthe last line")

    def unpicklable(self):
        return lambda: None

    def spawn(self, then="return"):
        """Start a process that would go on for ever, by Popen and by fork; tell their ids."""
        one = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
        two = os.fork()
        if not two:
            time.sleep(1e6)
        self.on_progress(one.pid, two)
        if then == "hang":
            self.hang_deaf()
        if then == "crash":
            self.kill_oneself(signal.SIGSEGV)
        return one.pid, two


def make(on_progress):
    return Service(on_progress)


def make_with(greeting, on_progress):
    on_progress("made")
    service = Service(on_progress)
    service.greeting = greeting
    service.greet = lambda: service.greeting
    return service


def make_never(on_progress):
    time.sleep(1e6)


def make_wrong(on_progress):
    raise TaskError("there is no such task.")


def make_broken(on_progress):
    raise ZeroDivisionError("in the factory")


def make_crash(on_progress):
    os.kill(os.getpid(), signal.SIGSEGV)


def make_if(path, on_progress):
    """Works once the file is there."""
    if not os.path.exists(path):  # noqa: PTH110
        raise TaskError("mend me first.")
    return Service(on_progress)


# A main process with a worker; run as a program by the tests.
MAIN = """
import os, sys
from pathlib import Path
from reward_synth.search.worker import Worker
from tests.search.services import make

def told(*values):
    print(os.getpid(), worker.pid, *values, flush=True)

with Worker(make, (), stall_s=600.0, log=Path(sys.argv[1])) as worker:
    try:
        print(worker.call(*sys.argv[2:], on_progress=told), flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""
