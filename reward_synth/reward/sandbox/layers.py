"""The layers that a sandboxed child puts on, in order, before it looks at a program."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reward_synth.reward.sandbox import landlock, seccomp

_NOBODY = 65534
_GIB = 1 << 30
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4

# All that is left of the environment; the server is started with it.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as it is on this machine.

    Attributes:
      name: what it is called.
      active: whether it is in force.
      detail: a phrase: what it does, or why it is not in force.
    """

    name: str
    active: bool
    detail: str


def apply_all(cpu_seconds: int) -> list[Layer]:
    """Put on every layer that this machine offers; for good, and only in a child.

    Args:
      cpu_seconds: processor time after which the kernel ends the process.
    """
    layers = []
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("no-new-privileges", _no_new_privileges),
        ("scrubbed environment", _scrubbed_environment),
        ("resource limits", lambda: _resource_limits(cpu_seconds)),
        ("dropped user", _dropped_user),
        ("Landlock", lambda: landlock.restrict(_readable())),
        ("seccomp", seccomp.install),
    )
    for name, step in steps:
        try:
            layers.append(Layer(name, True, step()))
        except OSError as error:
            layers.append(Layer(name, False, error.strerror or str(error)))
    return layers


def _no_new_privileges() -> str:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return "set-uid programs gain nothing"


def _scrubbed_environment() -> str:
    # What a process was started with stays in its memory, so it is that which has to be clean;
    # what JAX has added since is only removed.
    started_with = Path("/proc/self/environ")
    if started_with.exists():
        names = {entry.split(b"=")[0].decode() for entry in started_with.read_bytes().split(b"\0")}
        extra = names - set(ENVIRONMENT) - {""}
        if extra:
            raise OSError(f"it was started with {len(extra)} more variables")
    for name in set(os.environ) - set(ENVIRONMENT):
        del os.environ[name]
    return f"{len(ENVIRONMENT)} harmless variables"


def _resource_limits(cpu_seconds: int) -> str:
    limits = [
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, 6 * _GIB),  # XLA reserves address space: below 4 GiB it breaks
        (resource.RLIMIT_DATA, 4 * _GIB),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ]
    if os.geteuid() == 0:
        # It counts all threads of a user: few of nobody's, but often thousands of a person's.
        limits.append((resource.RLIMIT_NPROC, 256))
    for which, limit in limits:
        hard = resource.getrlimit(which)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (limit, limit))
    if hasattr(os, "sched_setaffinity"):
        # One core, different ones for different children; XLA starts a thread for each it sees.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
    # a write beyond RLIMIT_FSIZE shall be an error, not a death
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    return f"{cpu_seconds} s of CPU, 4 GiB of memory, no file output"


def _dropped_user() -> str:
    if os.geteuid() != 0:
        # Nothing to drop, and no other user to become; the other layers have to do.
        detail = f"runs as the user {os.getuid()}, who started it"
    else:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        detail = "root becomes nobody"
    # Both are reset by a change of user, so they come after it.
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return detail


def _readable() -> list[Path]:
    """Return what Python, JAX and LLVM may still want to read; nothing of the user's."""
    folders = {Path(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib", "purelib")}
    folders |= {Path(sys.base_prefix) / "lib", Path("/usr/lib"), Path("/lib"), Path("/lib64")}
    files = {Path(f"/proc/{name}") for name in ("cpuinfo", "meminfo", "stat")}
    devices = {Path(f"/dev/{name}") for name in ("null", "zero", "urandom")}
    return sorted(folders | files | devices | {Path("/sys/devices/system/cpu")})


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
